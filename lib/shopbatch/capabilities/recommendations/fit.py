"""The counting parts of the recommender: chosen by what was bought next, then fitted to everything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from shopbatch.capabilities.recommendations.discover import Mixture, counted, fit_discover, mixed
from shopbatch.capabilities.recommendations.habit import Habit, choose_half_life
from shopbatch.capabilities.recommendations.history import History
from shopbatch.capabilities.recommendations.neighbours import EaseSettings, Neighbours, NextSettings
from shopbatch.capabilities.recommendations.recommender import Recommender


@dataclass(frozen=True)
class Choice:
    """What validation chose: the half life, the way of counting neighbours, and their mixture, with all NDCGs."""

    half_life: float | None
    way: NextSettings | EaseSettings
    mixture: Mixture
    validation: dict[str, float]


def known_items(history: History, least_users: int) -> np.ndarray:
    """Return whether each item has that many buyers or more, bool [items]."""
    return np.bincount(history.owned().items, minlength=history.items) >= least_users


def choose(
    before: History,
    after: History,
    half_lives: Sequence[float | None],
    ways: Sequence[NextSettings | EaseSettings],
    least_users: int = 1,
) -> tuple[Choice, Neighbours]:
    """Choose everything that is counted by what was bought next.

    Args:
        before: What was known at the start of the validation window.
        after: The purchases inside the window.
        half_lives: Decays to choose from, in days; None for none.
        ways: Ways of counting neighbours to choose from.
        least_users: Items with fewer buyers are nobody's neighbours, and have none.

    Returns:
        What was chosen, and what was counted from `before` in the chosen way, for `fitted`.
    """
    half_life, by_half_life = choose_half_life(before, after, half_lives)
    items = np.flatnonzero(known_items(before, least_users))
    parts: dict[NextSettings | EaseSettings, Neighbours] = {}
    way, mixture, by_way = fit_discover(before.of_items(items), after.of_items(items), ways, parts=parts)
    worth = {f"half life {choice}": round(value, 5) for choice, value in by_half_life.items()}
    worth |= {f"{type(w).__name__}, {m}": round(value, 5) for (w, m), value in by_way.items()}
    return Choice(half_life, way, mixture, worth), _widened(parts[way], items, before.items)


def _widened(part: Neighbours, items: np.ndarray, count: int) -> Neighbours:
    """Return neighbours of some items as those of all `count` items; the others have none."""
    item = np.full((count, part.item.shape[1]), -1, np.int64)
    weight = np.zeros(item.shape, part.weight.dtype)
    item[items] = np.where(part.item >= 0, items[part.item] if len(items) else part.item, -1)
    weight[items] = part.weight
    return Neighbours(item, weight, part.decay, np.ones(count))


def fitted(
    history: History,
    product_ids: Sequence[str],
    choice: Choice,
    least_users: int = 1,
    neighbours: Neighbours | None = None,
) -> Recommender:
    """Fit the counting parts to a history by what was chosen.

    Args:
        history: Everything that may be used.
        product_ids: Names of the items.
        choice: What was chosen.
        least_users: Items with fewer buyers take no part in finding new products.
        neighbours: What was counted from this history in the chosen way, if it was; None to count it.
    """
    known = known_items(history, least_users)
    often = history.where(known[history.item])
    if neighbours is None:
        items = np.flatnonzero(known)
        neighbours = _widened(counted(history.of_items(items), choice.way), items, history.items)
    part = mixed(neighbours, often, choice.mixture)
    discover = replace(part, base=np.where(known, part.base, 0.0))
    return Recommender(tuple(product_ids), Habit.fit(history, choice.half_life), discover)
