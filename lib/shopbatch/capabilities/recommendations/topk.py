"""The k best items of each user, exactly, by tiles of items: a matrix of users x items never exists.

Most tiles hold nothing for a user whose k best so far are good: only scores above the user's k-th best are taken on.
"""

from __future__ import annotations

import numpy as np
import torch

TILE = 16_384  # items multiplied at once: with the users of a batch, small enough for the processor's cache
BATCH = 1_024  # users at once


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
        ValueError: A vector holds a number that is not finite.
    """
    if not (torch.isfinite(users).all() and torch.isfinite(items).all()):
        raise ValueError("a vector holds a number that is not finite")
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
    for first in range(0, len(items), TILE):
        scores = users @ items[first : first + TILE].T
        rows = torch.nonzero(scores.amax(1) > best[:, -1]).squeeze(1)  # an equal score has a higher number: it loses
        if len(rows):
            best[rows], number[rows] = _merge(best[rows], number[rows], scores[rows], first)
    return best, number


def _merge(
    best: torch.Tensor, number: torch.Tensor, scores: torch.Tensor, first: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Take on the scores of a tile that are above each row's k-th best."""
    k = best.shape[1]
    above = scores > best[:, -1:]
    counts = above.sum(1)
    most = int(counts.max())
    if most > 4 * k:  # an early tile: the k best of it are enough
        least = scores.topk(min(k, scores.shape[1]), 1).values[:, -1:]
        above &= scores >= least
        counts = above.sum(1)
        most = int(counts.max())
    row, column = torch.nonzero(above, as_tuple=True)  # by row, then by column
    place = torch.arange(len(row)) - (counts.cumsum(0) - counts)[row]
    value = torch.full((len(best), most), -torch.inf)
    which = torch.full((len(best), most), torch.iinfo(torch.int64).max)
    value[row, place], which[row, place] = scores[row, column], column + first
    value, which = torch.cat([best, value], 1), torch.cat([number, which], 1)
    order = torch.sort(value, dim=1, descending=True, stable=True).indices[:, :k]  # numbers ascend from left to right
    return value.gather(1, order), which.gather(1, order)
