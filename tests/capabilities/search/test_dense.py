"""The exact best products beside a search in one matrix product: blocks, masks, ties, and the second scoring."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopbatch.vectors import dense
from shopbatch.vectors.dense import DenseIndex, normalised, quantised

pytestmark = pytest.mark.slow

CODES = st.lists(st.lists(st.integers(-2, 2), min_size=3, max_size=3), min_size=1, max_size=30)


def brute(index, query, k, rows):
    scores = (index.codes.astype(np.float32) @ query) * index.scales
    order = sorted(rows, key=lambda r: (-scores[r], r))[:k]
    return order, scores[order]


@settings(max_examples=60, deadline=None)
@given(CODES, st.integers(1, 12), st.integers(1, 9), st.data())
def test_the_best_are_those_of_all_scores(codes, k, block, data):
    codes = np.array(codes, np.int8)
    scales = np.full(len(codes), 0.5, np.float32)  # equal, so that there are many ties
    index = DenseIndex(codes, scales, codes.astype(np.float16))
    queries = np.array([[1, 0, 0], [1, -1, 2], [0, 0, 0]], np.float32)
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(codes), max_size=len(codes))))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dense, "BLOCK", block)
        for chosen in (None, mask):
            rows = range(len(codes)) if chosen is None else np.flatnonzero(chosen).tolist()
            for query, (found, scores) in zip(queries, index.top(queries, k, chosen), strict=True):
                wanted, of = brute(index, query, k, rows)
                assert found.tolist() == wanted
                np.testing.assert_array_equal(scores, of)


@pytest.fixture(scope="module")
def cloud():
    rng = np.random.default_rng(0)
    vectors = normalised(rng.normal(size=(200, 64))[rng.integers(0, 200, 20_000)] + 0.8 * rng.normal(size=(20_000, 64)))
    return DenseIndex(*quantised(vectors), vectors.astype(np.float16)), vectors


def recall(index, vectors, mask, again):
    queries = normalised(vectors[::200] + 0.02)
    rows = np.arange(len(vectors)) if mask is None else np.flatnonzero(mask)
    fine, hits = index.fine[rows].astype(np.float32), 0
    for query, (found, _) in zip(queries, index.top(queries, 50, mask, again), strict=True):
        best = rows[np.argsort(-(fine @ query), kind="stable")[:10]]
        hits += len(np.intersect1d(found[:10], best))
    return hits / (10 * len(queries))


def test_the_second_scoring_finds_the_exact_best(cloud):
    index, vectors = cloud
    assert recall(index, vectors, None, 50) >= 0.999
    assert recall(index, vectors, None, 0) < recall(index, vectors, None, 50)


def test_a_filter_that_keeps_one_percent_loses_nothing(cloud):
    index, vectors = cloud
    mask = np.zeros(len(vectors), bool)
    mask[np.random.default_rng(1).choice(len(vectors), 200, replace=False)] = True
    assert recall(index, vectors, mask, 50) == 1.0


def test_only_the_products_of_the_mask_are_read(cloud):
    index, vectors = cloud
    mask = np.zeros(len(vectors), bool)
    mask[[3, 5]] = True
    spoilt = index.codes.copy()
    spoilt[~mask] = 127
    found = DenseIndex(spoilt, index.scales, index.fine).top(vectors[:2], 10, mask, 10)
    assert [sorted(products.tolist()) for products, _ in found] == [[3, 5], [3, 5]]


def test_rounding_is_within_half_a_step():
    vectors = np.random.default_rng(2).normal(size=(50, 16))
    vectors[7] = 0
    codes, scales = quantised(vectors)
    assert np.abs(codes * scales[:, None] - vectors).max() <= scales.max() / 2 + 1e-6
    assert scales[7] == 0
    assert np.abs(codes).max() == 127
