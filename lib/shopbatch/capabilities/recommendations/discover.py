"""What a user may like but never had: the neighbours of their items, beside what is popular now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from shopbatch.capabilities.recommendations.history import History
from shopbatch.capabilities.recommendations.neighbours import (
    EaseSettings,
    Neighbours,
    NextSettings,
    fit_ease,
    fit_next,
    rising,
)
from shopbatch.evaluation.ranking import judge, restricted

_CELLS = 2_000_000  # users x items of a tile


@dataclass(frozen=True)
class Mixture:
    """How neighbours, their trend and popularity are mixed.

    Attributes:
        trend: Power of the trend (see neighbours.rising): 0 leaves it out.
        popular: Weight of the share of users who bought the item lately, against the neighbours' scores.
    """

    trend: float
    popular: float


MIXTURES = (Mixture(0, 0), Mixture(0, 0.5), Mixture(0.5, 0), Mixture(0.5, 0.5), Mixture(1, 0), Mixture(1, 0.5))


@dataclass(frozen=True)
class Discover:
    """The part of the recommender that finds new products.

    Attributes:
        neighbours: Scores by the user's own items, with their trend.
        base: What each item's popularity adds for every user, float64 [items].
    """

    neighbours: Neighbours
    base: np.ndarray

    def dense(self, history: History) -> np.ndarray:
        """Return the scores of all items for a small tile of users; own items are not taken out."""
        return np.asarray(self.neighbours.score(history).dense(history.items) + self.base)


def mixed(neighbours: Neighbours, history: History, mixture: Mixture, days: int = 30) -> Discover:
    """Mix neighbours with the trend and the popularity of the newest days.

    Args:
        neighbours: Without a trend.
        history: What the neighbours were counted from.
        mixture: The weights.
        days: Popularity and trend count the buyers of this many newest days.
    """
    end = int(history.day.max(initial=0)) + 1
    buyers = np.bincount(history.between(end - days, end).owned().items, minlength=history.items)
    trend = rising(history, days, 3 * days) ** mixture.trend
    return Discover(replace(neighbours, trend=trend), mixture.popular * buyers / max(history.users, 1))


def fit_discover(
    before: History,
    after: History,
    settings: Sequence[NextSettings | EaseSettings],
    cutoff: int = 10,
    most: int = 1000,
    parts: dict[NextSettings | EaseSettings, Neighbours] | None = None,
) -> tuple[NextSettings | EaseSettings, Mixture, dict[tuple[NextSettings | EaseSettings, Mixture], float]]:
    """Choose the way of counting and the mixture by the new products that were bought next.

    Args:
        before: What was known at the start of the validation window.
        after: The purchases inside the window.
        settings: The ways of counting to choose from.
        cutoff: NDCG counts this many places.
        most: Users that the choice is judged by; of more, evenly spaced ones are taken.
        parts: Is filled with what was counted in each way, for a caller who goes on with it.

    Returns:
        The best way, the best mixture, and the mean NDCG of all, over users who bought something new.
    """
    owned = before.owned()
    wanted = after.owned().without(owned)
    buyers = np.flatnonzero(wanted.sizes)
    buyers = buyers[:: -(-len(buyers) // most) or 1]
    step = max(1, _CELLS // max(1, before.items))
    worth = {(way, mixture): 0.0 for way in settings for mixture in MIXTURES}
    for way in settings:
        part = counted(before, way)
        if parts is not None:
            parts[way] = part
        mixtures = [(mixture, mixed(part, before, mixture)) for mixture in MIXTURES]
        for users in (buyers[a : a + step] for a in range(0, len(buyers), step)):
            near = part.score(before.of_users(users)).dense(
                before.items
            )  # the same for all mixtures, and the dear part
            for mixture, discover in mixtures:
                scores = near * discover.neighbours.trend + discover.base
                ranked = restricted(scores, owned.of_users(users), "new")
                worth[way, mixture] += float(judge(ranked, wanted.of_users(users), (cutoff,))[0].ndcg.sum()) / len(
                    buyers
                )
    way, mixture = max(worth, key=lambda choice: worth[choice])
    return way, mixture, worth


def counted(history: History, settings: NextSettings | EaseSettings) -> Neighbours:
    """Count neighbours in the way that the settings belong to."""
    return fit_ease(history, settings) if isinstance(settings, EaseSettings) else fit_next(history, settings)
