"""Explain why a product was recommended to a user: the user bought it before, or it goes with other purchases."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shopbatch.capabilities.recommendations.history import History
from shopbatch.capabilities.recommendations.neighbours import Neighbours


@dataclass(frozen=True)
class Bought:
    """How often a user bought a product: the reason of a product to buy again.

    Attributes:
        days: Number of days on which the user bought it.
        last: The last of these days, in the unit of `History.day` (days since 1970).
    """

    days: int
    last: int


def bought(history: History, user: np.ndarray, item: np.ndarray) -> list[Bought | None]:
    """Return for each (user, item) pair on how many days the user bought the item and when last; None if never.

    Args:
        history: The users' purchases.
        user: Users of the pairs, int [n].
        item: Items of the pairs, int [n].
    """
    cell = history.user * history.items + history.item
    order = np.argsort(cell, kind="stable")  # rows of one (user, item) stay in order of time
    asked = user * history.items + item
    begin, end = (np.searchsorted(cell[order], asked, side) for side in ("left", "right"))  # type: ignore[call-overload]
    return [
        Bought(int(b - a), int(history.day[order[b - 1]])) if b > a else None for a, b in zip(begin, end, strict=True)
    ]


def because(
    neighbours: Neighbours, history: History, user: np.ndarray, item: np.ndarray, most: int = 3
) -> list[list[int]]:
    """Return for each (user, item) pair the user's past items that contributed most to the item's neighbour score.

    Args:
        neighbours: The fitted neighbours that made the scores.
        history: The users' purchases.
        user: User of each pair, as in `history`, int [n]; no pair occurs twice.
        item: Scored item of each pair, as in `history`, int [n].
        most: Greatest number of past items for a pair.

    Returns:
        For each pair the list of these past items, the greatest contribution first; empty if nothing contributed.
    """
    whose, own, to, share = neighbours.shares(history)
    asked = user * history.items + item
    order = np.argsort(asked)
    cell = whose * history.items + to
    at = np.searchsorted(asked[order], cell).clip(max=max(len(asked) - 1, 0))
    keep = np.flatnonzero(asked[order][at] == cell) if len(asked) else np.zeros(0, np.int64)
    pair, own, share = order[at[keep]] if len(asked) else keep, own[keep], share[keep]
    by_share = np.lexsort((own, -share, pair))
    out: list[list[int]] = [[] for _ in range(len(asked))]
    for p, o in zip(pair[by_share].tolist(), own[by_share].tolist(), strict=True):
        if len(out[p]) < most:
            out[p].append(o)
    return out
