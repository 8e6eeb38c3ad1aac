"""The text part of the recommender: products that too few users bought, by their likeness to what the user had."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shopbatch.capabilities.recommendations.cold import TextVectors, score_cold
from shopbatch.capabilities.recommendations.habit import Scored
from shopbatch.capabilities.recommendations.history import History
from shopbatch.capabilities.recommendations.neighbours import newest_rows
from shopbatch.evaluation.ranking import gathered

DECAY = 0.7  # what an own text counts less for each later day with purchases
_EACH = 5  # products of one text that are proposed


@dataclass(frozen=True)
class TextPart:
    """The text part of the recommender.

    Attributes:
        texts: The vectors of the different texts.
        text: Number of each product's text, int64 [items]; -1 for a product without one.
        cold: Numbers of the products that are found by text, those of one text together, int64 [n].
        weight: What a product that is like everything the user had is worth, against the user's best other product.
    """

    texts: TextVectors
    text: np.ndarray
    cold: np.ndarray
    weight: float

    def own(self, history: History) -> History:
        """Return the texts that users had instead of the products; products without a text are left out."""
        some = history.where(self.text[history.item] >= 0)
        return History(some.starts, self.text[some.item], some.day, len(self.texts.starts) - 1)

    def score(self, history: History, keep: int) -> Scored:
        """Score products for each user: the mean likeness of their text to the user's own texts, at most 1.

        Args:
            history: What each user had.
            keep: Different texts whose products are scored for each user, the best ones.
        """
        own = self.own(history)
        numbers, first = np.unique(self.text[self.cold], return_index=True)
        scored = score_cold(own, self.texts, numbers, DECAY, keep)
        user, _, weight = newest_rows(own, DECAY)
        total = np.maximum(np.bincount(user, weight, history.users), 1e-12)
        starts = np.append(first, len(self.cold))
        sizes, at = gathered(starts, np.searchsorted(numbers, scored.item))
        entry = np.repeat(np.arange(len(scored.item)), np.diff(sizes))
        item, of_user, score = self.cold[at], scored.user[entry], (scored.score / total[scored.user])[entry]
        order = np.lexsort((item, of_user))
        return Scored(np.searchsorted(of_user[order], np.arange(history.users + 1)), item[order], score[order])

    def because(self, history: History, user: np.ndarray, item: np.ndarray, most: int) -> list[list[int]]:
        """Return for each pair the own products with the greatest shares of the score, the greatest first."""
        out: list[list[int]] = [[] for _ in range(len(user))]
        some = history.where(self.text[history.item] >= 0)
        who, own, weight = newest_rows(some, DECAY)
        starts = np.searchsorted(who, np.arange(history.users + 1))
        for one in np.unique(user):
            rows = slice(starts[one], starts[one + 1])
            pairs = np.flatnonzero(user == one)
            wanted, had = (self.texts.rows(self.text[items]) for items in (item[pairs], own[rows]))
            for pair, share in zip(pairs.tolist(), wanted @ had.T * weight[rows], strict=True):
                order = np.argsort(-share, kind="stable")[:most]
                out[pair] = own[rows][order[share[order] > 0]].tolist()
        return out


def numbered(texts: Sequence[str | None]) -> tuple[list[str], np.ndarray]:
    """Return the different texts, and the number of each text among them, int64 [texts]; -1 for None."""
    distinct = sorted({text for text in texts if text is not None})
    place = {text: n for n, text in enumerate(distinct)}
    return distinct, np.array([-1 if text is None else place[text] for text in texts], np.int64)


def few_of_each(cold: np.ndarray, text: np.ndarray, buyers: np.ndarray) -> np.ndarray:
    """Return the most bought products of each text, those of one text together, int64 [n].

    Args:
        cold: Numbers of products that have a text, int [n].
        text: Number of each product's text, int [items].
        buyers: Buyers of each product, [items].
    """
    order = cold[np.lexsort((cold, -buyers[cold], text[cold]))]
    place = np.arange(len(order)) - np.searchsorted(text[order], text[order])
    return np.asarray(order[place < _EACH])
