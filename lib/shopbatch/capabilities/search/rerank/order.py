"""The order of a search and the scores of a cross-encoder -> one order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Reordered:
    """An order.

    Attributes:
        places: Where each product stood before, best first, int64 [n].
        scores: The scores that they are now sorted by, float32 [n]: 0 to 1 for those that were reranked, else less.
    """

    places: np.ndarray
    scores: np.ndarray


def reordered(scores: np.ndarray, pairs: np.ndarray, weight: float) -> Reordered:
    """Reorder the best products of a search.

    Args:
        scores: What the search sorts by, best first, float32 [n].
        pairs: Scores of the cross-encoder for the first products, float64 [at most n]; nan where there is none: such a
            product takes the least score.
        weight: Share of the cross-encoder's score.
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
    """Scale so that the least is 0 and the greatest 1; where all are equal, all are 1."""
    if not len(scores):
        return scores
    low, high = float(scores.min()), float(scores.max())
    return (scores - low) / (high - low) if high > low else np.ones_like(scores)
