"""The text part of the recommender: products that too few users bought, by their likeness to what the user had."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shopbatch.capabilities.recommendations.cold import TextVectors, score_cold
from shopbatch.capabilities.recommendations.habit import Scored
from shopbatch.capabilities.recommendations.history import History
from shopbatch.capabilities.recommendations.neighbours import newest_rows

DECAY = 0.7  # what an own product counts less for each later day with purchases


@dataclass(frozen=True)
class TextPart:
    """The text part of the recommender.

    Attributes:
        texts: A vector for every product.
        cold: Numbers of the products that are found by text, ascending, int64 [n].
        weight: What a product that is like everything the user had is worth, against the user's best other product.
    """

    texts: TextVectors
    cold: np.ndarray
    weight: float

    def score(self, history: History, keep: int) -> Scored:
        """Score the best products by text for each user: their mean likeness to the own products, at most 1."""
        scored = score_cold(history, self.texts, self.cold, DECAY, keep)
        user, _, weight = newest_rows(history, DECAY)
        total = np.bincount(user, weight, history.users)
        return Scored(scored.starts, scored.item, scored.score / np.maximum(total, 1e-12)[scored.user])

    def because(self, history: History, user: np.ndarray, item: np.ndarray, most: int) -> list[list[int]]:
        """Return for each pair the own products with the greatest shares of the score, the greatest first."""
        out: list[list[int]] = [[] for _ in range(len(user))]
        who, own, weight = newest_rows(history, DECAY)
        starts = np.searchsorted(who, np.arange(history.users + 1))
        for one in np.unique(user):
            rows = slice(starts[one], starts[one + 1])
            pairs = np.flatnonzero(user == one)
            shares = self.texts.rows(item[pairs]) @ self.texts.rows(own[rows]).T * weight[rows]
            for pair, share in zip(pairs.tolist(), shares, strict=True):
                order = np.argsort(-share, kind="stable")[:most]
                out[pair] = own[rows][order[share[order] > 0]].tolist()
        return out
