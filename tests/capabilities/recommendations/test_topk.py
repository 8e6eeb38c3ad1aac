"""The k best items by tiles: the same items as a full sort, ties included, in memory that does not grow with items."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from shopbatch.capabilities.recommendations import topk


@pytest.mark.parametrize(("dims", "values"), [(8, 3), (3, 2), (1, 1)])
@pytest.mark.parametrize("many", [0, 64])
@pytest.mark.parametrize(("k", "tile"), [(1, 16), (5, 7), (50, 130), (5, 1000)])
def test_the_same_as_a_stable_sort(
    dims: int, values: int, k: int, tile: int, many: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topk, "TILE", tile)
    monkeypatch.setattr(topk, "_MANY", many)
    monkeypatch.setattr(topk, "_BLOCK", 8)
    draw = np.random.default_rng(k)
    users, items = (draw.integers(-values, values + 1, (n, dims)).astype(np.float32) for n in (23, 300))  # many ties
    scores = users @ items.T
    wanted = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    numbers, best = topk.top_k(torch.from_numpy(users), torch.from_numpy(items), k, batch=9)
    assert np.array_equal(numbers, wanted)
    assert np.array_equal(best, np.take_along_axis(scores, wanted, 1))


def test_scores_that_all_grow_or_all_fall(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topk, "TILE", 10)
    items = torch.arange(100.0)[:, None]
    numbers, _ = topk.top_k(torch.tensor([[1.0], [-1.0]]), items, 3)
    assert numbers.tolist() == [[99, 98, 97], [0, 1, 2]]


def test_fewer_items_than_places_and_no_users() -> None:
    numbers, scores = topk.top_k(torch.ones(2, 1), torch.tensor([[1.0], [3.0]]), 4)
    assert numbers.tolist() == [[1, 0, -1, -1]] * 2 and scores[0].tolist() == [3.0, 1.0, -np.inf, -np.inf]
    assert topk.top_k(torch.ones(0, 1), torch.ones(5, 1), 2)[0].shape == (0, 2)
    assert topk.top_k(torch.ones(1, 1), torch.ones(0, 1), 2)[0].tolist() == [[-1, -1]]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_vector_that_is_not_finite_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="not finite"):
        topk.top_k(torch.ones(1, 2), torch.tensor([[1.0, bad]]), 1)
