"""Why a product is in a user's list, from the very sum that made its score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shopbatch.capabilities.recommendations.history import History
from shopbatch.capabilities.recommendations.neighbours import Neighbours


@dataclass(frozen=True)
class Bought:
    """The reason of a product to buy again: on how many days the user bought it, and the last of them."""

    days: int
    last: int


def bought(history: History, user: np.ndarray, item: np.ndarray) -> list[Bought | None]:
    """Return how often each user bought an item, and when last; None if never.

    Args:
        history: The users' purchases.
        user: Users of the pairs asked for, int [n].
        item: Their items, int [n].
    """
    cell = history.user * history.items + history.item
    order = np.argsort(cell, kind="stable")  # rows of a cell stay in order of time
    asked = user * history.items + item
    begin, end = (np.searchsorted(cell[order], asked, side) for side in ("left", "right"))  # type: ignore[call-overload]
    return [
        Bought(int(b - a), int(history.day[order[b - 1]])) if b > a else None for a, b in zip(begin, end, strict=True)
    ]


def because(
    neighbours: Neighbours, history: History, user: np.ndarray, item: np.ndarray, most: int = 3
) -> list[list[int]]:
    """Return the own items with the greatest shares of each score, the greatest first; none if nothing led to it.

    Args:
        neighbours: What made the scores.
        history: The users' purchases.
        user: Users of the pairs asked for, int [n]; no pair twice.
        item: Their items, int [n].
        most: Own items named for each pair.
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
