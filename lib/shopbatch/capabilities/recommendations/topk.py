"""Find the k best items of each user by exact inner products, without ever holding a matrix of all users x items.

`SequencePart.best` uses it. The items are multiplied in tiles (blocks of consecutive items). Most tiles have no item
that beats a user's k-th best score so far, so the code first selects the scores above that threshold and sorts only
these.
"""

from __future__ import annotations

import numpy as np
import torch

TILE = 16_384  # items multiplied at once; the scores of a batch of users still fit into the processor's cache
BATCH = 256  # users computed at once
_BLOCK = 64  # consecutive scores in a block; at first only the maximum of a block is compared
_MANY = 64  # candidate blocks per user, on average, above which the tile's own k-th best score is computed


def top_k(users: torch.Tensor, items: torch.Tensor, k: int, batch: int = BATCH) -> tuple[np.ndarray, np.ndarray]:
    """Return for each user the k items with the greatest inner products; all items are compared.

    Args:
        users: Vectors of the users, float32 [users, dims].
        items: Vectors of the items, float32 [items, dims].
        k: Number of items wanted for each user.
        batch: Users computed at once. The memory needed is batch x 16,384 scores, however many items there are.

    Returns:
        The items as rows of `items`, int64 [users, k], and their scores, float32 [users, k], best first. Of equal
        scores, the lower row comes first. With fewer than k items, the last places hold -1 and -inf.

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
    room = torch.empty(len(users) * TILE)  # reused by all tiles: allocating it anew would take as long as multiplying
    for first in range(0, len(items), TILE):
        tile = items[first : first + TILE]
        scores = torch.mm(users, tile.T, out=room[: len(users) * len(tile)].view(len(users), len(tile)))
        row, column, value = _above(scores, best[:, -1:], k)
        if len(row):
            best, number = _merge(best, number, row, column + first, value)
    return best, number


def _above(scores: torch.Tensor, least: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Select the scores of a tile (a block of items) that are above the user's k-th best score so far.

    A score equal to `least` is skipped, because its item comes after those found before, and of equal scores the
    earlier item wins. The maximum of each block of 64 scores shows whether the block has any score to select, so that
    most scores are read only once.

    Args:
        scores: Scores of the tile, float32 [users, items of the tile].
        least: The k-th best score of each user so far, float32 [users, 1].
        k: Number of items wanted for each user.

    Returns:
        Row, column and value of each selected score, [n] each.

    Raises:
        ValueError: A score is not finite.
    """
    if missing := -scores.shape[1] % _BLOCK:
        scores = torch.nn.functional.pad(scores, (0, missing), value=-torch.inf)
    blocks = scores.view(len(scores), -1, _BLOCK)
    highest = blocks.amax(2)
    if not torch.isfinite(highest).all():
        raise ValueError("a score is not finite: check the vectors")
    if int((highest > least).sum()) > _MANY * len(scores):  # many candidates: the tile's own k best are enough
        of_tile = scores.topk(min(k, scores.shape[1]), 1).values[:, -1:]
        least = torch.maximum(least, torch.nextafter(of_tile, torch.tensor(-torch.inf)))
    row, block = torch.nonzero(highest > least, as_tuple=True)
    values = blocks[row, block]
    entry, place = torch.nonzero(values > least[row], as_tuple=True)
    return row[entry], block[entry] * _BLOCK + place, values[entry, place]


def _merge(
    best: torch.Tensor, number: torch.Tensor, row: torch.Tensor, new: torch.Tensor, value: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Merge newly found items into each user's k best items and return the new k best scores and items (row numbers).

    Args:
        best: Scores so far, best first, float32 [users, k].
        number: The items that have them, as row numbers, int64 [users, k].
        row: User of each new item, int64 [n]; the new items are sorted by user and row number.
        new: Row number of each new item, int64 [n]; higher than all in `number`.
        value: Score of each new item, float32 [n].
    """
    counts = torch.bincount(row, minlength=len(best))
    place = torch.arange(len(row)) - (counts.cumsum(0) - counts)[row]
    shape = (len(best), int(counts.max()))
    values, numbers = torch.full(shape, -torch.inf), torch.zeros(shape, dtype=torch.int64)
    values[row, place], numbers[row, place] = value, new
    values, numbers = torch.cat([best, values], 1), torch.cat([number, numbers], 1)
    order = torch.sort(values, dim=1, descending=True, stable=True).indices[:, : best.shape[1]]
    return values.gather(1, order), numbers.gather(1, order)
