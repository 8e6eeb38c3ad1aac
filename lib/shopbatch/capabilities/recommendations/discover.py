"""Score products that are new to a user (the list `discover`): neighbours of the purchases, plus popularity."""

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

_CELLS = 2_000_000  # greatest users x items of a matrix of scores


@dataclass(frozen=True)
class Mixture:
    """How strongly the sales trend and the popularity of an item change its neighbour score.

    score of an item = neighbour score x (sales trend ^ `trend`) + `popular` x (share of all users who bought it lately)

    Attributes:
        trend: Exponent of the sales trend (see `neighbours.rising`); 0 leaves the trend out.
        popular: Weight of the popularity; 0 leaves it out.
    """

    trend: float
    popular: float


MIXTURES = (Mixture(0, 0), Mixture(0, 0.5), Mixture(0.5, 0), Mixture(0.5, 0.5), Mixture(1, 0), Mixture(1, 0.5))


@dataclass(frozen=True)
class Discover:
    """The fitted part of the recommender that scores products that are new to a user.

    Attributes:
        neighbours: Scores the neighbours of each user's items; its attribute `trend` holds the sales trend of each
            item.
        base: Popularity score of each item, the same for every user, float64 [items]; it is added to the neighbour
            score.
    """

    neighbours: Neighbours
    base: np.ndarray

    def dense(self, history: History) -> np.ndarray:
        """Return the scores of all items for a few users, float64 [users, items], also of items that they bought."""
        return np.asarray(self.neighbours.score(history).dense(history.items) + self.base)


def mixed(neighbours: Neighbours, history: History, mixture: Mixture, days: int = 30) -> Discover:
    """Build the scorer of new products from neighbours, the sales trend and the popularity.

    Args:
        neighbours: Neighbours, from `counted`. The result holds a copy of them with the sales trend filled in.
        history: The purchases that the neighbours were counted from.
        mixture: How strongly the sales trend and the popularity influence a score.
        days: Popularity is the number of buyers in this many newest days. The sales trend compares these days with a
            period three times as long.
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
    """Choose the method of counting neighbours and the mixture that have the highest NDCG on a validation window.

    The NDCG measures how well the products are ranked that a user bought in the window and never before. Every entry of
    `settings` is combined with every mixture in MIXTURES.

    Args:
        before: The purchases before the validation window.
        after: The purchases inside the window.
        settings: Methods of counting neighbours to compare, each with its settings.
        cutoff: NDCG is computed over this many first items of a ranking.
        most: Greatest number of users to judge by; of more users, evenly spaced ones are used.
        parts: If given, this dictionary is filled with the neighbours by method, so that the caller need not count them
            again.

    Returns:
        The best method, the best mixture, and the mean NDCG of every combination over users who bought a new product.
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
            near = part.score(before.of_users(users)).dense(before.items)  # slow, and the same for all mixtures
            for mixture, discover in mixtures:
                scores = near * discover.neighbours.trend + discover.base
                ranked = restricted(scores, owned.of_users(users), "new")
                worth[way, mixture] += float(judge(ranked, wanted.of_users(users), (cutoff,))[0].ndcg.sum()) / len(
                    buyers
                )
    way, mixture = max(worth, key=lambda choice: worth[choice])
    return way, mixture, worth


def counted(history: History, settings: NextSettings | EaseSettings) -> Neighbours:
    """Count neighbours with `fit_ease` or `fit_next`, depending on the type of `settings`."""
    return fit_ease(history, settings) if isinstance(settings, EaseSettings) else fit_next(history, settings)
