"""The order of reranked answers."""

import numpy as np

from shopbatch.capabilities.search.rerank.order import reordered


def test_the_weight_goes_from_the_search_to_the_cross_encoder():
    scores, pairs = np.array([4.0, 3.0, 2.0, 1.0, 0.5]), np.array([0.0, 1.0, 3.0, 2.0])
    assert reordered(scores, pairs, 0.0).places.tolist() == [0, 1, 2, 3, 4]
    assert reordered(scores, pairs, 1.0).places.tolist() == [2, 3, 1, 0, 4]
    # relative scores: 1, 2/3, 1/3, 0 and 0, 1/3, 1, 2/3
    assert reordered(scores, pairs, 0.5).places.tolist() == [2, 0, 1, 3, 4]
    for weight in (0.0, 0.5, 1.0):
        given = reordered(scores, pairs, weight).scores
        assert np.all(np.diff(given) <= 0) and given[3] >= 0 > given[4]


def test_a_product_without_a_score_is_taken_for_the_worst_and_none_is_lost():
    given = reordered(np.array([1.0, 1.0, 1.0]), np.array([2.0, np.nan, 5.0]), 1.0)
    assert given.places.tolist() == [2, 0, 1]
    nothing = reordered(np.array([3.0, 2.0]), np.array([np.nan, np.nan]), 0.5)
    assert nothing.places.tolist() == [0, 1]
    assert reordered(np.zeros(0), np.zeros(0), 0.5).places.tolist() == []
