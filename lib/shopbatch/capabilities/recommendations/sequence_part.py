"""The sequence part beside counting: both scores on one scale, and the best products of their sum.

A user's counted scores and sequence scores are divided by their standard deviations over all products, and then added
with weights. The standard deviations have closed forms, so that no user's scores of all products are ever needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from shopbatch.capabilities.recommendations.habit import Scored
from shopbatch.capabilities.recommendations.history import History
from shopbatch.capabilities.recommendations.sequence_model import SequenceModel
from shopbatch.capabilities.recommendations.topk import top_k

_ROUND = 5  # digits of a standardised score: what remains does not depend on who else is in the tile


@dataclass(frozen=True)
class SequencePart:
    """The sequence part of the recommender.

    Attributes:
        model: The fitted Transformer.
        items: Numbers of the products that it knows, ascending, int64 [known].
        discover: Its weight in the list of new products, against 1 - weight for what is counted; 0: not used there.
        again: The same in the list of what to buy again.
    """

    model: SequenceModel
    items: np.ndarray
    discover: float = 0.0
    again: float = 0.0

    @cached_property
    def vectors(self) -> np.ndarray:
        """The vectors of the products, with mean 0, float32 [known, hidden]."""
        products = self.model.products
        return np.asarray(products - products.mean(0, keepdims=True))

    @cached_property
    def _covariance(self) -> np.ndarray:
        vectors = self.vectors.astype(float)
        return np.asarray(vectors.T @ vectors / max(len(vectors), 1))

    def users(self, history: History) -> np.ndarray:
        """Return a vector for each user, float64 [users, hidden]: its products with `vectors` have variance 1.

        A user without products that the model knows has zeros.
        """
        known = self.known(history)
        rows = [slice(a, b) for a, b in zip(known.starts[:-1], known.starts[1:], strict=True)]
        vectors = self.model.score([(known.item[row], known.day[row]) for row in rows]).astype(float)
        variance = np.einsum("ud,de,ue->u", vectors, self._covariance, vectors)
        return np.asarray(vectors / np.sqrt(np.where(variance > 0, variance, 1.0))[:, None])

    def known(self, history: History) -> History:
        """Return the newest rows that the model reads, with the numbers that its products have in it."""
        return history.of_items(self.items).newest(self.model.objective.config.max_items)

    def scores(self, users: np.ndarray, user: np.ndarray, item: np.ndarray) -> np.ndarray:
        """Return the standardised score of pairs, float64 [n]; 0 for a product that the model does not know.

        Args:
            users: What `users` returns.
            user: int [n].
            item: int [n].
        """
        place = np.searchsorted(self.items, item).clip(max=max(len(self.items) - 1, 0))
        out = np.zeros(len(item))
        known = np.flatnonzero(self.items[place] == item) if len(self.items) else np.zeros(0, np.int64)
        out[known] = np.einsum("nd,nd->n", users[user[known]], self.vectors[place[known]])
        return np.round(out, _ROUND)

    def dense(self, users: np.ndarray, items: int) -> np.ndarray:
        """Return the standardised scores of all products for a small tile of users, float64 [users, items]."""
        out = np.zeros((len(users), items))
        out[:, self.items] = users @ self.vectors.T
        return out

    def best(self, users: np.ndarray, base: np.ndarray, scale: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return user and item of the best products by sequence and popularity, at most k for each user.

        Args:
            users: What `users` returns.
            base: What popularity adds to each product's counted score, float64 [items].
            scale: Standard deviation of each user's counted scores, float64 [users].
            k: Products for each user.
        """
        weight = np.concatenate([self.discover * users, ((1 - self.discover) / scale)[:, None]], 1)
        table = np.concatenate([self.vectors, base[self.items][:, None]], 1)
        asked, products = (torch.from_numpy(x.astype(np.float32)) for x in (weight, table))
        places, _ = top_k(asked, products, min(k, len(self.items)))
        row, _ = np.nonzero(places >= 0)
        return row, self.items[places[places >= 0]]

    def because(self, history: History, user: np.ndarray, item: np.ndarray) -> list[list[int]]:
        """Return for each pair the own product whose removal lowers the score most; none if no removal lowers it."""
        out: list[list[int]] = [[] for _ in range(len(user))]
        known = self.known(history)
        for one in np.unique(user):
            rows = slice(known.starts[one], known.starts[one + 1])
            products, days = known.item[rows], known.day[rows]
            own = np.unique(products)
            left = [(products[products != o], days[products != o]) for o in own]
            vectors = self.model.score([(products, days), *left])
            pairs = np.flatnonzero(user == one)
            place = np.searchsorted(self.items, item[pairs])
            lost = (vectors[:1] - vectors[1:]) @ self.vectors[place].T
            for pair, falls in zip(pairs.tolist(), lost.T, strict=True):
                if len(own) and falls.max() > 0:
                    out[pair] = [int(self.items[own[falls.argmax()]])]
        return out


def spread(near: Scored, base: np.ndarray) -> np.ndarray:
    """Return the standard deviation over all products of each user's neighbours' scores plus popularity, [users].

    It is 1 where all scores are equal.
    """
    users, items = len(near.starts) - 1, max(len(base), 1)
    total = np.bincount(near.user, near.score, users) + base.sum()
    squares = np.bincount(near.user, near.score**2 + 2 * near.score * base[near.item], users) + (base**2).sum()
    variance = squares / items - (total / items) ** 2
    return np.sqrt(np.where(variance > 1e-12 * np.maximum(squares / items, 1e-300), variance, 1.0))


def positive(score: np.ndarray) -> np.ndarray:
    """Map scores to positive ones in the same order: log(1 + e^score)."""
    return np.asarray(np.logaddexp(0.0, score))
