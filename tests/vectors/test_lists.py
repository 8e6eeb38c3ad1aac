"""Vectors in lists beside the exact search: what is found, what is chosen, what stays exact."""

from dataclasses import replace

import numpy as np
import pytest

from shopbatch.capabilities.search.list_choice import choose
from shopbatch.capabilities.search.settings import VectorSettings
from shopbatch.vectors import lists as module
from shopbatch.vectors.dense import DenseIndex, normalised, quantised
from shopbatch.vectors.lists import make_lists

SIZE, DIM = 12_000, 32


@pytest.fixture(scope="module")
def vectors():
    rng = np.random.default_rng(3)
    centres = rng.normal(size=(150, DIM))
    return normalised(centres[rng.integers(0, 150, SIZE)] + 1.3 * rng.normal(size=(SIZE, DIM)))


@pytest.fixture(scope="module")
def exact(vectors):
    return DenseIndex(*quantised(vectors), vectors.astype(np.float16))


@pytest.fixture(scope="module")
def queries(vectors):
    """Queries that the choice has not seen."""
    rng = np.random.default_rng(4)
    return normalised(vectors[rng.choice(SIZE, 300)] + 0.3 * rng.normal(size=(300, DIM)) / DIM**0.5)


def recall(index, exact, queries, k):
    pairs = zip(index.top(queries, k), exact.top(queries, k), strict=True)
    return np.mean([len(np.intersect1d(a, b)) / k for (a, _), (b, _) in pairs])


def test_every_product_is_in_one_list_and_in_the_nearest(exact, vectors):
    lists = make_lists(exact.fine, 100, 0)
    assert np.array_equal(np.sort(lists.members), np.arange(SIZE))
    nearest = (exact.fine.astype(np.float32) @ lists.centres.T).argmax(axis=1)
    assert np.array_equal(lists.list_of, nearest)
    assert all(np.all(np.diff(lists.members[a:b]) > 0) for a, b in zip(lists.starts, lists.starts[1:], strict=False))
    np.testing.assert_allclose(np.linalg.norm(lists.centres, axis=1), 1, atol=1e-5)


def test_the_centres_are_learnt(exact):
    """Of as many centres that are products as they come, far fewer products would be near."""
    lists = make_lists(exact.fine, 100, 0)
    drawn = exact.fine[np.random.default_rng(9).choice(SIZE, 100, replace=False)].astype(np.float32)
    near = [(exact.fine.astype(np.float32) @ centres.T).max(axis=1).mean() for centres in (lists.centres, drawn)]
    assert near[0] > near[1] + 0.05


def test_the_same_seed_gives_the_same_lists_and_another_one_others(exact):
    one, two, other = (make_lists(exact.fine, 60, seed) for seed in (1, 1, 2))
    assert np.array_equal(one.centres, two.centres) and np.array_equal(one.members, two.members)
    assert not np.array_equal(one.members, other.members)


@pytest.mark.parametrize("held", [1 << 24, 5000])
def test_reading_all_lists_finds_what_the_exact_search_finds(exact, queries, held, monkeypatch):
    monkeypatch.setattr(module, "CANDIDATES", held)  # the lower, the fewer queries at once
    every = replace(exact, lists=make_lists(exact.fine, 80, 0))
    for (a, of_a), (b, of_b) in zip(every.top(queries, 20, None, 20), exact.top(queries, 20, None, 20), strict=True):
        assert a.tolist() == b.tolist()
        np.testing.assert_array_equal(of_a, of_b)


@pytest.mark.parametrize("wanted", [0.8, 0.98])
def test_the_chosen_number_of_lists_reaches_the_recall_and_no_more_than_it_needs(exact, queries, wanted):
    choice = choose(exact, VectorSettings(kind="ivf", recall=wanted, nearest=50), {"queries": queries[:150]})
    assert min(choice.recall["products, 50 nearest"], choice.recall["queries, 50 nearest"]) >= wanted
    index = replace(exact, lists=choice.lists)
    assert recall(index, exact, queries[:150], 50) == pytest.approx(choice.recall["queries, 50 nearest"], abs=0.001)
    assert recall(index, exact, queries[150:], 50) >= wanted - 0.03  # others than those it was chosen on
    fewer = replace(exact, lists=replace(choice.lists, nprobe=choice.lists.nprobe - 1))
    sampled = [recall(fewer, exact, some, 50) for some in (queries[:150],)]
    assert min(*sampled, _of_products(fewer, exact)) < wanted
    assert choice.read < 0.6


def _of_products(index, exact):
    """The recall of the sample's own products, without themselves, as the choice draws them."""
    own = np.sort(np.random.default_rng([0, 1]).choice(SIZE, 256, replace=False))
    some = exact.fine[own].astype(np.float32)
    pairs = zip(own, index.top(some, 51), exact.top(some, 51), strict=True)
    return np.mean([len(np.intersect1d(a[a != n], b[b != n][:50])) / 50 for n, (a, _), (b, _) in pairs])


def test_a_mask_is_searched_exactly(exact, queries):
    one = replace(exact, lists=replace(make_lists(exact.fine, 100, 0), nprobe=1))
    assert recall(one, exact, queries, 50) < 0.9  # so that the mask makes a difference
    mask = np.random.default_rng(5).random(SIZE) < 0.5
    for (a, _), (b, _) in zip(one.top(queries, 50, mask), exact.top(queries, 50, mask), strict=True):
        assert a.tolist() == b.tolist()


def test_auto_stays_exact_where_lists_do_not_pay(exact, queries):
    few = choose(exact, VectorSettings(), {})
    assert few.lists is None and "from_products" in few.why
    noise = normalised(np.random.default_rng(6).normal(size=(3000, 64)))  # no clusters: the nearest lie everywhere
    index = DenseIndex(*quantised(noise), noise.astype(np.float16))
    spread = choose(index, VectorSettings(from_products=1000), {})
    assert spread.lists is None and spread.read > 0.25 and "of the vectors" in spread.why
    assert choose(exact, VectorSettings(kind="exact"), {"q": queries}).lists is None


@pytest.mark.parametrize("count", [1, 2, 5])
def test_equal_vectors_and_tiny_catalogues_are_searched(count):
    same = np.ones((count, 8), np.float32) / 8**0.5
    index = DenseIndex(*quantised(same), same.astype(np.float16))
    choice = choose(index, VectorSettings(kind="ivf"), {})
    found, _ = replace(index, lists=choice.lists).top(same[:1], 10)[0]
    assert found.tolist() == list(range(count))
