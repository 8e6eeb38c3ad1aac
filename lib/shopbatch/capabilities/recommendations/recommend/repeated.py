"""Count how often the products of a group are bought again, over all users (for the rule `repeatable`)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from shopbatch.capabilities.recommendations.history import History


def repeat_counts(history: History, group: np.ndarray, groups: int) -> np.ndarray:
    """Count per group the (user, product) pairs, and those of them that were bought on two days or more.

    Args:
        history: The purchases of some users. The counts of different users may be added up.
        group: Group of each item, int [items]; -1 for none.
        groups: Number of groups.

    Returns:
        int64 [2, groups]: all pairs, then the repeated ones.
    """
    cell, days = np.unique(history.user * history.items + history.item, return_counts=True)
    whose = group[cell % max(history.items, 1)]
    chosen = (whose >= 0, (whose >= 0) & (days > 1))
    return np.stack([np.bincount(whose[rows], minlength=groups) for rows in chosen])


def shares_of(names: Sequence[str], counts: np.ndarray, least_pairs: int = 20) -> dict[str, float]:
    """Return, by group name, the share (0..1) of (user, product) pairs that were bought on two days or more.

    Args:
        names: Names of the groups.
        counts: Sum of the results of `repeat_counts`, int64 [2, groups].
        least_pairs: Groups with fewer pairs are left out, because their share would be too uncertain.
    """
    pairs, again = counts.tolist()
    return {name: again[n] / pairs[n] for n, name in enumerate(names) if pairs[n] >= least_pairs}
