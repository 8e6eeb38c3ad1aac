"""The sequence part of the recommender: brings the Transformer's scores and the counted scores to one scale.

Counted scores are those of the habit or neighbours part. For each user, counted scores and sequence scores are divided
by their standard deviations over all products, and are then added with weights. The standard deviations are computed in
closed form, so that a user's scores of all products are never needed.
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

_ROUND = 5  # digits of a score; rounded so, it does not depend on the other users of the batch


@dataclass(frozen=True)
class SequencePart:
    """The sequence part of a recommender: the Transformer, the products that it knows, and its weight in each list.

    Attributes:
        model: The trained Transformer.
        items: The products that it knows, as indexes into `Recommender.product_ids`, ascending, int64 [known].
        discover: Weight of its scores in the list of new products, 0..1; the counted scores weigh 1 minus this. 0: not
            used.
        again: Weight of its scores in the list of products to buy again, 0..1; 0: not used.
    """

    model: SequenceModel
    items: np.ndarray
    discover: float = 0.0
    again: float = 0.0

    @cached_property
    def vectors(self) -> np.ndarray:
        """The vectors of the products, shifted to mean 0, float32 [known, hidden]."""
        products = self.model.products
        return np.asarray(products - products.mean(0, keepdims=True))

    @cached_property
    def _covariance(self) -> np.ndarray:
        vectors = self.vectors.astype(float)
        return np.asarray(vectors.T @ vectors / max(len(vectors), 1))

    def users(self, history: History) -> np.ndarray:
        """Return a vector for each user, float64 [users, hidden], scaled so that product scores have variance 1.

        A product's score is the inner product with its row of `vectors`. A user without products that the model knows
        gets zeros.
        """
        known = self.known(history)
        rows = [slice(a, b) for a, b in zip(known.starts[:-1], known.starts[1:], strict=True)]
        vectors = self.model.score([(known.item[row], known.day[row]) for row in rows]).astype(float)
        variance = np.einsum("ud,de,ue->u", vectors, self._covariance, vectors)
        return np.asarray(vectors / np.sqrt(np.where(variance > 0, variance, 1.0))[:, None])

    def known(self, history: History) -> History:
        """Return the history as the model reads it: the newest rows of known products, as indexes into `items`."""
        return history.of_items(self.items).newest(self.model.objective.config.max_items)

    def scores(self, users: np.ndarray, user: np.ndarray, item: np.ndarray) -> np.ndarray:
        """Return the standardised sequence score of each (user, item) pair, float64 [n]; 0 for unknown products.

        Args:
            users: User vectors, from the method `users`.
            user: Row of each pair's user in `users`, int [n].
            item: Item of each pair, as an index into `Recommender.product_ids`, int [n].
        """
        place = np.searchsorted(self.items, item).clip(max=max(len(self.items) - 1, 0))
        out = np.zeros(len(item))
        known = np.flatnonzero(self.items[place] == item) if len(self.items) else np.zeros(0, np.int64)
        out[known] = np.einsum("nd,nd->n", users[user[known]], self.vectors[place[known]])
        return np.round(out, _ROUND)

    def dense(self, users: np.ndarray, items: int) -> np.ndarray:
        """Return the standardised scores of all items for a few users, float64 [users, items]; 0 if unknown."""
        out = np.zeros((len(users), items))
        out[:, self.items] = users @ self.vectors.T
        return out

    def best(self, users: np.ndarray, base: np.ndarray, scale: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return at most k products of each user with the highest mixture of sequence score and popularity.

        The scores are mixed as in the list of new products, but without neighbours. Only products that the model knows
        are found.

        Args:
            users: User vectors, from the method `users`.
            base: Popularity score of each product (`Discover.base`), float64 [items].
            scale: Standard deviation of each user's counted scores, by which the popularity is divided, float64
                [users].
            k: Number of products for each user.

        Returns:
            User and item of each product found, int64 [n] each.
        """
        weight = np.concatenate([self.discover * users, ((1 - self.discover) / scale)[:, None]], 1)
        table = np.concatenate([self.vectors, base[self.items][:, None]], 1)
        asked, products = (torch.from_numpy(x.astype(np.float32)) for x in (weight, table))
        places, _ = top_k(asked, products, min(k, len(self.items)))
        row, _ = np.nonzero(places >= 0)
        return row, self.items[places[places >= 0]]

    def because(self, history: History, user: np.ndarray, item: np.ndarray) -> list[list[int]]:
        """Return for each (user, item) pair the user's past product without which the item's score would fall most.

        Args:
            history: The users' purchases.
            user: Users of the pairs, int [n].
            item: Scored items of the pairs, int [n].

        Returns:
            For each pair a list with this one product (as an item of `history`); empty if no removal lowers the score.
        """
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
    """Return the standard deviation of each user's counted scores over all products, float64 [users].

    The counted score of a product is its neighbour score plus its popularity score. The result is 1 for a user whose
    scores are all equal.

    Args:
        near: Neighbour scores of the users.
        base: Popularity score of each product (`Discover.base`), float64 [items].
    """
    users, items = len(near.starts) - 1, max(len(base), 1)
    total = np.bincount(near.user, near.score, users) + base.sum()
    squares = np.bincount(near.user, near.score**2 + 2 * near.score * base[near.item], users) + (base**2).sum()
    variance = squares / items - (total / items) ** 2
    return np.sqrt(np.where(variance > 1e-12 * np.maximum(squares / items, 1e-300), variance, 1.0))


def positive(score: np.ndarray) -> np.ndarray:
    """Map scores to positive numbers in the same order (softplus): log(1 + e^score)."""
    return np.asarray(np.logaddexp(0.0, score))
