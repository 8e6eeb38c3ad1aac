"""Prepare the live recommender for a comparison with the newly trained one on the held-out days.

A live recommender that has already seen these days is fitted again without them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from shopbatch.capabilities.recommendations.discover import Mixture
from shopbatch.capabilities.recommendations.evaluate import ByList
from shopbatch.capabilities.recommendations.fit import Choice, fitted
from shopbatch.capabilities.recommendations.history import History
from shopbatch.capabilities.recommendations.neighbours import EaseSettings, NextSettings
from shopbatch.capabilities.recommendations.recommender import NAME, Recommender
from shopbatch.capabilities.recommendations.train.shop import Shop
from shopbatch.core.errors import UserError
from shopbatch.models import registry
from shopbatch.models.folder import local

_WAYS = {kind.__name__: kind for kind in (EaseSettings, NextSettings)}


@dataclass(frozen=True)
class Live:
    """The live recommender, prepared for the comparison with the newly trained one.

    Attributes:
        others: {"live": function that returns its scores}, for `evaluate.held_out`; {} if it cannot be judged.
        note: Sentence for the report: how the live model was judged, or why it was not.
        digest: Digest of the live model; "" if there is none or it cannot be judged.
        exists: True if there is a live model, even one that cannot be judged.
    """

    others: Mapping[str, ByList] = field(default_factory=dict)
    note: str = "there is no live model to compare with"
    digest: str = ""
    exists: bool = False

    @classmethod
    def find(cls, models: str, shop: Shop, held: int, before: History, least_users: int) -> Live:
        """Find the live model and prepare it for the comparison.

        A model that was fitted to the held-out days would be judged by purchases that it already knows. In that case
        its counting parts (habit, neighbours) are fitted again, with its settings, to the days before.

        Args:
            models: Root folder of the model registry.
            shop: The purchases and products of this run.
            held: The first held-out day.
            before: The history before that day.
            least_users: Number of buyers below which a product has no neighbours, for a model that is fitted again.
        """
        try:
            live = registry.find_live(models, NAME)
            if live is None:
                return cls()
            if int(live.manifest.get("until", 0)) <= held:
                scores = renumbered(Recommender.load(local(live.path)), shop.products, before)
                note = "the live model has not seen the held-out days, and is judged as it is"
                return cls({"live": scores}, note, live.digest, exists=True)
        except UserError as error:  # damaged, or not a recommender: a new training replaces it
            return cls(note=f"the live model cannot be compared with: {error}", exists=True)
        choice = _choice(live.manifest.get("choice"))
        if choice is None:
            return cls(note="the live model has seen the held-out days, and does not say how it was made", exists=True)
        again = fitted(before, shop.products, choice, least_users)
        note = (
            "the live model has seen the held-out days: its counting parts, made again by its settings from the days "
            "before, stand for it"
        )
        return cls(
            {"live": lambda name, users: again.dense(name, before.of_users(users))}, note, live.digest, exists=True
        )


def renumbered(live: Recommender, products: list[str], before: History) -> ByList:
    """Return a function that scores this run's products with another recommender, which numbers products differently.

    Products that the other recommender does not know score 0 in the list "buy_again" and -inf in "discover".

    Args:
        live: The other recommender.
        products: Product ids of this run; product n is products[n].
        before: The history whose purchases the scores are computed from, with this run's numbering.
    """
    number = {name: n for n, name in enumerate(live.product_ids)}
    to = np.array([number.get(name, -1) for name in products], np.int64)
    both = np.flatnonzero(to >= 0)
    known = before.where(to[before.item] >= 0)
    whole = History.of(known.user, to[known.item], known.day, known.users, len(live.product_ids))

    def scores(name: str, users: np.ndarray) -> np.ndarray:
        of_live = live.dense(name, whole.of_users(users))
        out = np.full((len(users), len(products)), 0.0 if name == "buy_again" else -np.inf)
        out[:, both] = of_live[:, to[both]]
        return out

    return scores


def _choice(tree: Any) -> Choice | None:
    """Return the settings that a model's manifest records; None if there are none, or those of another version."""
    try:
        way = dict(tree["way"])
        kind = _WAYS[way.pop("kind")]
        return Choice(tree["half_life"], kind(**way), Mixture(**tree["mixture"]), {})
    except (TypeError, KeyError):
        return None
