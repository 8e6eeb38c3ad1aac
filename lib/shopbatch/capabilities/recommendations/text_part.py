"""Recommend products with too few buyers whose texts resemble what the user bought (the recommender's text part)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shopbatch.capabilities.recommendations.cold import TextVectors, score_cold
from shopbatch.capabilities.recommendations.habit import Scored
from shopbatch.capabilities.recommendations.history import History
from shopbatch.capabilities.recommendations.neighbours import newest_rows
from shopbatch.evaluation.ranking import gathered

DECAY = 0.7  # factor by which an own text counts less for each later day with purchases
_EACH = 5  # greatest number of products of one text that are recommended


@dataclass(frozen=True)
class TextPart:
    """The fitted text part of the recommender: scores products with too few buyers by their texts.

    Many products can share one text, so the distinct texts are stored once, and products refer to them.

    Attributes:
        texts: The vectors of the distinct texts.
        text: Index into `texts` of each product's text, int64 [items]; -1 for a product without a text.
        cold: The products that this part recommends, as indexes into `Recommender.product_ids`, int64 [n]. Products
            with the same text are next to each other.
        weight: Weight of the scores against those of the other parts: a text score of 1 (a text identical to that of
            every product of the user) equals `weight` x the score of the user's best other candidate.
    """

    texts: TextVectors
    text: np.ndarray
    cold: np.ndarray
    weight: float

    def own(self, history: History) -> History:
        """Return the history with each product replaced by its text: its items are then indexes into `texts`.

        Products without a text are left out.
        """
        some = history.where(self.text[history.item] >= 0)
        return History(some.starts, self.text[some.item], some.day, len(self.texts.starts) - 1)

    def score(self, history: History, keep: int) -> Scored:
        """Score the products in `cold` by how similar their text is to the texts of the user's products.

        The score is the weighted mean of the cosines, at most 1.

        Args:
            history: The users' purchases.
            keep: Number of distinct texts kept for each user, the most similar ones; only products with these texts get
                a score.
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
        """Return for each (user, item) pair the user's past products that contributed most to the item's text score.

        Args:
            history: The users' purchases.
            user: Users of the pairs, int [n].
            item: Scored items of the pairs, int [n].
            most: Greatest number of past products for a pair.

        Returns:
            For each pair the list of these past products (as items of `history`), the greatest contribution first;
            empty if nothing contributed.
        """
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
    """Return the distinct texts, sorted, and the index of each input text among them, int64 [texts]; -1 for None."""
    distinct = sorted({text for text in texts if text is not None})
    place = {text: n for n, text in enumerate(distinct)}
    return distinct, np.array([-1 if text is None else place[text] for text in texts], np.int64)


def few_of_each(cold: np.ndarray, text: np.ndarray, buyers: np.ndarray) -> np.ndarray:
    """Return the 5 most bought products of each text, so that one text does not fill a list, int64 [n].

    Products of one text come next to each other.

    Args:
        cold: Products that have a text, as indexes into `text`, int [n].
        text: Index of each product's text among the distinct texts, int [items].
        buyers: Number of buyers of each product, [items].
    """
    order = cold[np.lexsort((cold, -buyers[cold], text[cold]))]
    place = np.arange(len(order)) - np.searchsorted(text[order], text[order])
    return np.asarray(order[place < _EACH])
