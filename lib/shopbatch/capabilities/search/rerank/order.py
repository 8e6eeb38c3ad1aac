"""Combines the ranking of a search with the scores of a cross-encoder into one ranking."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Reordered:
    """The order of a query's products after reranking.

    Attributes:
        places: For each position in the new order, the product's former position (from 0), int64 [n].
        scores: The scores that the products are now sorted by, float32 [n]: 0 to 1 for reranked products, below 0 for
            the others.
    """

    places: np.ndarray
    scores: np.ndarray


def reordered(scores: np.ndarray, pairs: np.ndarray, weight: float) -> Reordered:
    """Reorder the best products of a search by a weighted mean of the search's and the cross-encoder's scores.

    Args:
        scores: The scores of the search, best first, float32 [n].
        pairs: The cross-encoder's scores of the first products, float64 [at most n]. A product with nan gets the lowest
            of these scores.
        weight: Weight of the cross-encoder's score, 0 to 1.
    """
    depth = min(len(scores), len(pairs))
    first = _relative(np.asarray(scores[:depth], np.float64))
    known = pairs[:depth][~np.isnan(pairs[:depth])]
    second = _relative(np.where(np.isnan(pairs[:depth]), known.min() if len(known) else 0.0, pairs[:depth]))
    mixed = (1 - weight) * first + weight * second
    order = np.argsort(-mixed, kind="stable")
    rest = _relative(np.asarray(scores[depth:], np.float64)) - 1.0 - 1e-6
    places = np.concatenate([order, np.arange(depth, len(scores))]).astype(np.int64)
    return Reordered(places, np.concatenate([mixed[order], rest]).astype(np.float32))


def _relative(scores: np.ndarray) -> np.ndarray:
    """Scale scores linearly so that the lowest becomes 0 and the highest 1; if all are equal, all become 1."""
    if not len(scores):
        return scores
    low, high = float(scores.min()), float(scores.max())
    return (scores - low) / (high - low) if high > low else np.ones_like(scores)
