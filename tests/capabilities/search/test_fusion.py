"""Two lists become one."""

import numpy as np
import pytest

from shopbatch.capabilities.search.fusion import fuse
from shopbatch.capabilities.search.settings import FusionSettings


def ranked(products, scores):
    return np.array(products, np.int64), np.array(scores, np.float32)


def half(products):
    return np.full(len(products), 0.5, np.float32)


def test_reciprocal_ranks_by_hand():
    out = fuse(ranked([7, 3], [9.0, 1.0]), ranked([3, 5], [0.9, 0.8]), FusionSettings(), half, 10)
    assert out.products.tolist() == [3, 7, 5]
    np.testing.assert_allclose(out.scores, [0.5 / 62 + 0.5 / 61, 0.5 / 61, 0.5 / 62], rtol=1e-6)
    np.testing.assert_array_equal(out.lexical, [1.0, 9.0, np.nan])
    np.testing.assert_allclose(out.dense, [0.9, np.nan, 0.8])


def test_equal_scores_are_in_the_order_of_the_products():
    out = fuse(ranked([9], [1.0]), ranked([4], [0.3]), FusionSettings(), half, 10)
    assert out.products.tolist() == [4, 9]


def test_weighted_scores_by_hand_with_a_share_of_its_own_for_each_product():
    convex = FusionSettings(method="convex")
    shares = np.array([0.25, 0.25, 1.0, 0.25], np.float32)
    out = fuse(ranked([0, 1, 2], [5, 4, 1]), ranked([2, 0], [0.9, 0.1]), convex, lambda p: shares[p], 3)
    assert out.products.tolist() == [2, 0, 1]  # 1.0 * 1, then 0.75 * 1 + 0.25 * 0, then 0.75 * 0.8
    np.testing.assert_allclose(out.scores, [1.0, 0.75, 0.6])


@pytest.mark.parametrize("method", ["rrf", "convex"])
def test_an_empty_list_leaves_the_other_as_it_is(method):
    settings = FusionSettings(method=method)
    for pair in ((ranked([], []), ranked([5, 2], [0.4, 0.2])), (ranked([5, 2], [4, 2]), ranked([], []))):
        assert fuse(*pair, settings, half, 10).products.tolist() == [5, 2]
    assert fuse(ranked([], []), ranked([], []), settings, half, 10).products.tolist() == []


def test_shares_of_language_pairs():
    settings = FusionSettings(dense={"zh-en": 0.9, "*": 0.2})
    assert (settings.share("zh", "en"), settings.share("en", "en")) == (0.9, 0.2)
    assert FusionSettings().share("zh", "en") > 0.5 > FusionSettings().share("en", "en")
