"""How often the products of a group are bought again, learned from all users."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from shopbatch.capabilities.recommendations.history import History


def repeat_counts(history: History, group: np.ndarray, groups: int) -> np.ndarray:
    """Count (user, product) pairs, and those bought on two days or more, by group, int64 [2, groups].

    Counts of different users may be added up.

    Args:
        history: The purchases of some users.
        group: Number of each item's group, -1 for none, int [items].
        groups: How many groups there are.
    """
    cell, days = np.unique(history.user * history.items + history.item, return_counts=True)
    whose = group[cell % max(history.items, 1)]
    chosen = (whose >= 0, (whose >= 0) & (days > 1))
    return np.stack([np.bincount(whose[rows], minlength=groups) for rows in chosen])


def shares_of(names: Sequence[str], counts: np.ndarray, least_pairs: int = 20) -> dict[str, float]:
    """Return the share of repeated pairs of each group with enough of them; `counts` as from `repeat_counts`."""
    pairs, again = counts.tolist()
    return {name: again[n] / pairs[n] for n, name in enumerate(names) if pairs[n] >= least_pairs}
