"""The k best items of each user, exactly, by tiles of items: a matrix of users x items never exists.

Most tiles hold nothing for a user whose k best so far are good: only scores above the user's k-th best are taken on.
"""

from __future__ import annotations

import numpy as np
import torch

TILE = 16_384  # items multiplied at once: with the users of a batch, small enough for the processor's cache
BATCH = 256  # users at once
_BLOCK = 64  # neighbouring scores of which only the maximum is looked at first
_MANY = 64  # blocks of a user in one tile that are worth a look at all of its scores


def top_k(users: torch.Tensor, items: torch.Tensor, k: int, batch: int = BATCH) -> tuple[np.ndarray, np.ndarray]:
    """Find the items with the greatest inner products, all of them compared.

    Args:
        users: Vectors, float32 [users, dims].
        items: Vectors, float32 [items, dims].
        k: Number of items wanted for each user.
        batch: Users at once. The memory needed is batch x 16,384 scores, however many items there are.

    Returns:
        Item numbers int64 [users, k] and scores float32 [users, k], best first, of equal scores the lower number first.
        With fewer than k items, the last places are -1 and -inf.

    Raises:
        ValueError: A score is not finite.
    """
    best_items = np.full((len(users), k), -1, np.int64)
    best_scores = np.full((len(users), k), -np.inf, np.float32)
    here = min(k, len(items))
    with torch.inference_mode():
        for a in range(0, len(users), batch):
            score, item = _of_batch(users[a : a + batch], items, here)
            best_items[a : a + batch, :here], best_scores[a : a + batch, :here] = item.numpy(), score.numpy()
    return best_items, best_scores


def _of_batch(users: torch.Tensor, items: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    best = torch.full((len(users), k), -torch.inf)
    number = torch.full((len(users), k), len(items), dtype=torch.int64)
    room = torch.empty(len(users) * TILE)  # used by all tiles: new memory for each would cost as much as the product
    for first in range(0, len(items), TILE):
        tile = items[first : first + TILE]
        scores = torch.mm(users, tile.T, out=room[: len(users) * len(tile)].view(len(users), len(tile)))
        row, column, value = _above(scores, best[:, -1:], k)
        if len(row):
            best, number = _merge(best, number, row, column + first, value)
    return best, number


def _above(scores: torch.Tensor, least: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Row, column and value of the scores above `least`, [users, 1]; an equal score has a higher number and loses.

    The maximum of each block says whether the block holds any, so that most scores are read once.
    """
    if missing := -scores.shape[1] % _BLOCK:
        scores = torch.nn.functional.pad(scores, (0, missing), value=-torch.inf)
    blocks = scores.view(len(scores), -1, _BLOCK)
    highest = blocks.amax(2)
    if not torch.isfinite(highest).all():
        raise ValueError("a score is not finite: check the vectors")
    if int((highest > least).sum()) > _MANY * len(scores):  # an early tile, or a rising one: its own k best are enough
        of_tile = scores.topk(min(k, scores.shape[1]), 1).values[:, -1:]
        least = torch.maximum(least, torch.nextafter(of_tile, torch.tensor(-torch.inf)))
    row, block = torch.nonzero(highest > least, as_tuple=True)
    values = blocks[row, block]
    entry, place = torch.nonzero(values > least[row], as_tuple=True)
    return row[entry], block[entry] * _BLOCK + place, values[entry, place]


def _merge(
    best: torch.Tensor, number: torch.Tensor, row: torch.Tensor, new: torch.Tensor, value: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Take on new items, which are sorted by row and number and have higher numbers than all before."""
    counts = torch.bincount(row, minlength=len(best))
    place = torch.arange(len(row)) - (counts.cumsum(0) - counts)[row]
    shape = (len(best), int(counts.max()))
    values, numbers = torch.full(shape, -torch.inf), torch.zeros(shape, dtype=torch.int64)
    values[row, place], numbers[row, place] = value, new
    values, numbers = torch.cat([best, values], 1), torch.cat([number, numbers], 1)
    order = torch.sort(values, dim=1, descending=True, stable=True).indices[:, : best.shape[1]]
    return values.gather(1, order), numbers.gather(1, order)
