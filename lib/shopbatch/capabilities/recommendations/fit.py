"""Fit the counting parts of the recommender (habit, neighbours), with settings chosen on a validation window.

`train_recommender` calls `choose` for the settings, and then `fitted` with these settings.
"""

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
    """The settings of the counting parts (habit, neighbours) that were best on the validation window.

    Attributes:
        half_life: Days after which the weight of a purchase in the habit part has halved; None for no decay.
        way: Method of counting neighbours, with its settings.
        mixture: How strongly trend and popularity change the neighbours' scores.
        validation: Mean NDCG@10 of every setting that was compared, by its description, such as "half life 45.0".
    """

    half_life: float | None
    way: NextSettings | EaseSettings
    mixture: Mixture
    validation: dict[str, float]


def known_items(history: History, least_users: int) -> np.ndarray:
    """Return a mask [items]: True for items that at least `least_users` users bought."""
    return np.bincount(history.owned().items, minlength=history.items) >= least_users


def choose(
    before: History,
    after: History,
    half_lives: Sequence[float | None],
    ways: Sequence[NextSettings | EaseSettings],
    least_users: int = 1,
) -> tuple[Choice, Neighbours]:
    """Choose the half life, the method of counting neighbours, and the mixture that predict the validation window best.

    Args:
        before: The purchases before the validation window.
        after: The purchases inside the window.
        half_lives: Half lives to compare, in days; None for no decay.
        ways: Methods of counting neighbours to compare, each with its settings.
        least_users: Items with fewer buyers have no neighbours and are nobody's neighbours.

    Returns:
        The best settings, and the neighbours counted from `before` with them, which can be passed to `fitted`.
    """
    half_life, by_half_life = choose_half_life(before, after, half_lives)
    items = np.flatnonzero(known_items(before, least_users))
    parts: dict[NextSettings | EaseSettings, Neighbours] = {}
    way, mixture, by_way = fit_discover(before.of_items(items), after.of_items(items), ways, parts=parts)
    worth = {f"half life {choice}": round(value, 5) for choice, value in by_half_life.items()}
    worth |= {f"{type(w).__name__}, {m}": round(value, 5) for (w, m), value in by_way.items()}
    return Choice(half_life, way, mixture, worth), _widened(parts[way], items, before.items)


def _widened(part: Neighbours, items: np.ndarray, count: int) -> Neighbours:
    """Renumber neighbours that were counted among some items only, so that they cover all items of the catalogue.

    Items that are not in `items` have no neighbours in the result.

    Args:
        part: Neighbours of the selected items; item n of it is the catalogue's item items[n].
        items: Catalogue number of each selected item, int [selected].
        count: Number of items of the catalogue.
    """
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
    """Fit the counting parts to a history with the settings that `choose` found, and return them as a recommender.

    Args:
        history: The purchases to fit to.
        product_ids: Product id of each item of `history`: item n is product_ids[n].
        choice: The settings.
        least_users: Items with fewer buyers are left out of the list of new products.
        neighbours: Neighbours that were already counted from `history` with these settings; None to count them now.
    """
    known = known_items(history, least_users)
    often = history.where(known[history.item])
    if neighbours is None:
        items = np.flatnonzero(known)
        neighbours = _widened(counted(history.of_items(items), choice.way), items, history.items)
    part = mixed(neighbours, often, choice.mixture)
    discover = replace(part, base=np.where(known, part.base, 0.0))
    return Recommender(tuple(product_ids), Habit.fit(history, choice.half_life), discover)
