"""Two ranked lists of a query -> one, by weighted scores or by reciprocal ranks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from shopbatch.capabilities.search.settings import FusionSettings
from shopbatch.vectors.ranking import best

RRF_K = 60  # Cormack, Clarke and Buettcher 2009


@dataclass(frozen=True)
class Ranked:
    """The products of one query, best first.

    Attributes:
        products: Their numbers, int64 [n].
        scores: The scores that they are ranked by, float32 [n].
        lexical, dense: Their scores in the two lists; nan where a list does not hold them, float32 [n].
    """

    products: np.ndarray
    scores: np.ndarray
    lexical: np.ndarray
    dense: np.ndarray


def fuse(
    lexical: tuple[np.ndarray, np.ndarray],
    dense: tuple[np.ndarray, np.ndarray],
    settings: FusionSettings,
    share: Callable[[np.ndarray], np.ndarray],
    k: int,
) -> Ranked:
    """Make one list of two.

    Args:
        lexical, dense: Product numbers, int64 [n], and scores, float32 [n], best first.
        settings: How.
        share: Weight of the dense score, 0 to 1, for some products: numbers [m] -> float32 [m].
        k: Most products of the result.
    """
    products = np.union1d(lexical[0], dense[0]).astype(np.int64)
    columns, parts = [], []
    for (numbers, scores), low in ((lexical, 0.0), (dense, None)):
        at = np.searchsorted(products, numbers)
        raw, part = np.full(len(products), np.nan, np.float32), np.zeros(len(products), np.float32)
        raw[at] = scores
        part[at] = _relative(scores, low) if settings.method == "convex" else 1 / (RRF_K + 1 + np.arange(len(numbers)))
        columns.append(raw)
        parts.append(part)
    weight = share(products)
    fused = ((1 - weight) * parts[0] + weight * parts[1]).astype(np.float32)
    chosen = best(fused, products, k)
    return Ranked(products[chosen], fused[chosen], columns[0][chosen], columns[1][chosen])


def _relative(scores: np.ndarray, low: float | None) -> np.ndarray:
    """Scale a list's scores so that `low` (None: the least one) is 0 and the greatest 1.

    Where all are equal, all are 1. The lexical score has a least value of its own, 0 (compare Bruch, Gai and Ingber
    2023); the dense one has none that a product comes near to.
    """
    if not len(scores):
        return scores
    low = float(scores.min()) if low is None else low
    high = float(scores.max())
    return (scores - low) / (high - low) if high > low else np.ones_like(scores)
