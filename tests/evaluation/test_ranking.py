"""Quality of ranked lists: the same numbers as trying every order of equal scores, one after the other."""

from __future__ import annotations

from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopbatch.evaluation.ranking import ItemSets, exposure, gini, judge, restricted, top

FORBIDDEN = float("-inf")


def by_every_order(scores: list[float], wanted: set[int], k: int, unknown: int) -> tuple[float, float, float]:
    """NDCG, hit and recall, as the mean over all orders of the items that respect the scores."""
    allowed = [i for i, s in enumerate(scores) if s != FORBIDDEN]
    orders = [o for o in permutations(allowed) if all(scores[a] >= scores[b] for a, b in pairwise(o))]
    total = len(wanted) + unknown
    best = sum(1 / np.log2(place + 2) for place in range(min(total, k)))
    rows = []
    for order in orders:
        places = [place for place, item in enumerate(order[:k]) if item in wanted]
        rows.append((sum(1 / np.log2(p + 2) for p in places) / best, bool(places), len(places) / total))
    ndcg, hit, recall = np.mean(rows, axis=0)
    return float(ndcg), float(hit), float(recall)


users = st.lists(
    st.tuples(
        st.lists(st.sampled_from([FORBIDDEN, 0.0, 0.0, 1.0, 2.5]), min_size=6, max_size=6),
        st.sets(st.integers(0, 5)),
        st.integers(0, 2),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=150, deadline=None)
@given(users)
def test_every_number_is_the_mean_over_all_orders_of_equal_scores(
    rows: list[tuple[list[float], set[int], int]],
) -> None:
    pairs = np.array([(u, i) for u, (_, wanted, _) in enumerate(rows) for i in wanted], int).reshape(-1, 2)
    wanted = ItemSets.of(pairs[:, 0], pairs[:, 1], len(rows))
    unknown = np.array([row[2] for row in rows])
    cutoffs = (1, 2, 4, 9)
    judged = judge(np.array([row[0] for row in rows]), wanted, cutoffs, unknown)
    for u, (scores, items, missing) in enumerate(rows):
        for k, quality in zip(cutoffs, judged, strict=True):
            got = (quality.ndcg[u], quality.hit[u], quality.recall[u])
            if not items and not missing:
                assert np.isnan(got).all()
            else:
                np.testing.assert_allclose(got, by_every_order(scores, items, k, missing), atol=1e-12)


def test_a_model_that_scores_nothing_is_worth_a_random_order() -> None:
    quality = judge(np.zeros((1, 1000)), ItemSets(np.array([0, 1]), np.array([7])), (10,))[0]
    assert quality.hit[0] == pytest.approx(0.01)
    assert quality.recall[0] == pytest.approx(0.01)


def test_a_score_that_is_not_a_number_is_refused() -> None:
    with pytest.raises(ValueError, match="not a number"):
        judge(np.array([[0.0, np.nan]]), ItemSets(np.array([0, 0]), np.zeros(0, np.int64)), (1,))


def test_sets_of_items() -> None:
    sets = ItemSets.of(np.array([2, 0, 0, 2, 2]), np.array([5, 3, 1, 5, 4]), 4)
    assert sets.starts.tolist() == [0, 2, 2, 4, 4] and sets.items.tolist() == [1, 3, 4, 5]
    other = ItemSets.of(np.array([0, 1, 2]), np.array([3, 4, 4]), 4)
    assert [a.tolist() for a in sets.without(other).pairs()] == [[0, 2], [1, 5]]
    assert [a.tolist() for a in sets.within(other).pairs()] == [[0, 2], [3, 4]]
    assert [a.tolist() for a in sets.of_users(np.array([2, 1, 0])).pairs()] == [[0, 0, 2, 2], [4, 5, 1, 3]]


def test_repeat_and_new_items_are_ranked_apart() -> None:
    scores = np.array([[9.0, 8.0, 7.0, 6.0]])
    owned = ItemSets(np.array([0, 2]), np.array([0, 2]))
    assert top(restricted(scores, owned, "new"), 3).tolist() == [[1, 3, -1]]
    assert top(restricted(scores, owned, "repeat"), 3).tolist() == [[0, 2, -1]]
    assert top(restricted(scores, owned, "all"), 6).tolist() == [[0, 1, 2, 3, -1, -1]]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.sampled_from([FORBIDDEN, 0.0, 1.0, 2.0]), min_size=7, max_size=7), min_size=1, max_size=4))
def test_the_best_items_are_those_of_a_stable_sort(rows: list[list[float]]) -> None:
    for row, best in zip(rows, top(np.array(rows), 3).tolist(), strict=True):
        order = sorted((i for i in range(7) if row[i] != FORBIDDEN), key=lambda i: (-row[i], i))
        assert best == (order + [-1] * 3)[:3]


def test_exposure_counts_places() -> None:
    lists = [np.array([[0, 1], [0, -1]]), np.array([[0, 2]])]
    seen = exposure(lists, ItemSets(np.array([0, 1, 2, 2]), np.array([3, 3])), np.array([10.0, 4.0, 1.0, 2.0]))
    assert seen.shown.tolist() == [3, 1, 1, 0]
    assert seen.coverage == 0.75 and seen.popularity == pytest.approx(7.0) and seen.popularity_wanted == 2.0


def test_gini() -> None:
    counts = np.random.default_rng(0).integers(0, 50, 60)
    gaps = np.abs(counts[:, None] - counts[None, :]).mean()  # the definition: half the relative mean difference
    assert gini(counts) == pytest.approx(gaps / (2 * counts.mean()))
    assert gini(np.full(9, 4)) == pytest.approx(0) and gini(np.eye(1, 1000)[0]) == pytest.approx(0.999)
    assert np.isnan(gini(np.zeros(3)))
