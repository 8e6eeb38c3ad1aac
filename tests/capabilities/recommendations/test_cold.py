"""Products without history: the cosine of texts by hand, in tiles of any size."""

from __future__ import annotations

import numpy as np
import pytest

from shopbatch.capabilities.recommendations import cold as module
from shopbatch.capabilities.recommendations.cold import TextVectors, score_cold, words_of
from shopbatch.capabilities.recommendations.history import History

TEXTS = ["blue ink pen", "Blue pen, 12-pack", "paper shredder", None, "red ink pen pen", "墨水笔", "蓝色墨水", ""]


def test_words() -> None:
    assert words_of("BIC 4-Color_Pen!") == ["bic", "4", "color", "pen"]
    assert words_of("墨水笔 x 笔") == ["墨水", "水笔", "x", "笔"]


def test_vectors_have_length_1_and_rare_words_weigh_more() -> None:
    vectors = TextVectors.tf_idf(TEXTS)
    rows = vectors.rows(np.arange(len(TEXTS)))
    assert np.linalg.norm(rows, axis=1) == pytest.approx([1, 1, 1, 0, 1, 1, 1, 0])
    shared = (1 + np.log(9 / 3)) ** 2 + (1 + np.log(9 / 4)) ** 2  # "blue" and "pen"
    rest = (1 + np.log(9 / 3)) ** 2, 2 * (1 + np.log(9 / 2)) ** 2  # "ink"; "12" and "pack"
    assert rows[0] @ rows[1] == pytest.approx(shared / np.sqrt((shared + rest[0]) * (shared + rest[1])), rel=1e-5)
    assert rows[5] @ rows[6] > 0 == rows[0] @ rows[5]


@pytest.mark.parametrize("cells", [1, 40, 16_000_000])
@pytest.mark.parametrize("encoder", [False, True])
def test_the_score_is_the_sum_of_likenesses(cells: int, encoder: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CELLS", cells)
    draw = np.random.default_rng(0)
    vectors = TextVectors.dense(draw.normal(size=(8, 5))) if encoder else TextVectors.tf_idf(TEXTS)
    rows = vectors.rows(np.arange(8)).astype(float)
    history = History.of(draw.integers(0, 6, 15), draw.integers(0, 5, 15), draw.integers(0, 9, 15), 7, 8)
    cold = np.array([6, 5, 4])
    wanted = np.zeros((7, 8))
    back = history.steps_back()
    for user in range(7):
        for own in set(history.item[history.user == user].tolist()):
            newest = back[(history.user == user) & (history.item == own)].min()
            wanted[user, cold] += 0.7**newest * rows[own] @ rows[cold].T
    got = score_cold(history, vectors, cold)
    np.testing.assert_allclose(got.dense(8), np.maximum(wanted, 0), atol=1e-6)
    best = score_cold(history, vectors, cold, keep=1).dense(8)
    np.testing.assert_allclose(best.sum(1), np.maximum(wanted, 0).max(1), atol=1e-6)
    assert ((best > 0).sum(1) <= 1).all()


def test_no_cold_products_and_no_texts() -> None:
    history = History.of(np.array([0]), np.array([0]), np.array([1]), 2, 3)
    assert len(score_cold(history, TextVectors.tf_idf(["a", "a", "b"]), np.zeros(0, np.int64)).item) == 0
    assert len(score_cold(history, TextVectors.tf_idf([None, None, ""]), np.array([1, 2])).item) == 0
    assert score_cold(history, TextVectors.tf_idf(["a", "a", "b"]), np.array([1, 2])).item.tolist() == [1]
