"""Quality of lists against graded judgements: values by hand, and an independent implementation on drawn lists."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopbatch.evaluation.judged import Judged, discounted, list_quality, mean


def test_by_hand() -> None:
    judged = Judged.of({7: 3.0, 2: 0.0, 9: 1.0})
    found = list_quality(np.array([5, 9, 2, 7]), judged)
    best = 3 + 1 / math.log2(3)
    assert found.ndcg == pytest.approx((1 / math.log2(3) + 3 / math.log2(5)) / best)
    assert found.ndcg_judged == pytest.approx((1 + 3 / math.log2(4)) / best)  # without 5: 9, 2, 7
    assert (found.recall, found.unjudged, found.shown) == (1.0, 0.25, 4)


def test_the_best_list_has_1_and_grades_count_not_only_whether_there_are_any() -> None:
    judged = Judged.of({1: 2.0, 2: 1.0})
    assert list_quality(np.array([1, 2]), judged).ndcg == pytest.approx(1)
    assert 0.8 < list_quality(np.array([2, 1]), judged).ndcg < 0.9


def test_the_eleventh_place_counts_for_recall_only_and_the_fifty_first_for_nothing() -> None:
    judged = Judged.of({1000: 1.0})
    others = np.arange(100)
    eleventh = list_quality(np.insert(others, 10, 1000), judged)
    assert (eleventh.ndcg, eleventh.ndcg_judged, eleventh.recall, eleventh.unjudged) == (0, 1, 1, 1)
    assert list_quality(np.insert(others, 49, 1000), judged).recall == 1
    assert list_quality(np.insert(others, 50, 1000), judged).recall == 0


def test_nothing_useful_and_nothing_shown() -> None:
    found = list_quality(np.array([1, 2]), Judged.of({1: 0.0}))
    assert all(map(math.isnan, (found.ndcg, found.ndcg_judged, found.recall)))
    assert found.unjudged == 0.5
    empty = list_quality(np.zeros(0, np.int64), Judged.of({1: 1.0}))
    assert (empty.ndcg, empty.ndcg_judged, empty.recall, empty.shown) == (0, 0, 0, 0)
    assert math.isnan(empty.unjudged)
    assert list_quality(np.array([3]), Judged.of({})).unjudged == 1


@given(
    gains=st.dictionaries(st.integers(0, 79), st.sampled_from([0.0, 0.0, 0.01, 0.1, 1.0, 2.0, 3.0]), max_size=40),
    ranked=st.lists(st.integers(0, 79), unique=True, max_size=80),
)
def test_against_an_independent_implementation(gains: dict[int, float], ranked: list[int]) -> None:
    found = list_quality(np.array(ranked, np.int64), Judged.of(gains))

    def dcg(places: list[int]) -> float:
        return sum(gains.get(p, 0.0) / math.log(i + 1, 2) for i, p in enumerate(places[:10], start=1))

    best = dcg(sorted(gains, key=lambda p: -gains[p]))
    useful = {p for p, g in gains.items() if g > 0}
    if not useful:
        assert all(map(math.isnan, (found.ndcg, found.ndcg_judged, found.recall)))
    else:
        assert found.ndcg == pytest.approx(dcg(ranked) / best)
        assert found.ndcg_judged == pytest.approx(dcg([p for p in ranked if p in gains]) / best)
        assert found.recall == pytest.approx(len(useful & set(ranked[:50])) / len(useful))
    first = ranked[:10]
    assert found.shown == len(first)
    if first:
        assert found.unjudged == pytest.approx(sum(p not in gains for p in first) / len(first))


def test_discounted_and_mean() -> None:
    assert discounted(np.array([1.0, 1.0, 8.0]), 2) == pytest.approx(1 + 1 / math.log2(3))
    assert discounted(np.zeros(0), 10) == 0
    assert mean(np.array([1.0, np.nan, 2.0])) == 1.5
    assert math.isnan(mean(np.array([np.nan])))
