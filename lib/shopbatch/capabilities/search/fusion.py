"""Combines the lexical and the dense ranking of a query into one, by weighted scores or by reciprocal ranks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from shopbatch.capabilities.search.settings import FusionSettings
from shopbatch.vectors.ranking import best

RRF_K = 60  # Cormack, Clarke and Buettcher 2009


@dataclass(frozen=True)
class Ranked:
    """The ranked products of one query, best first.

    Attributes:
        products: The products' numbers, int64 [n].
        scores: The fused scores, by which the products are sorted, float32 [n].
        lexical: Their scores in the lexical ranking; nan for a product that is not in that ranking, float32 [n].
        dense: Their scores in the dense ranking; nan for a product that is not in that ranking, float32 [n].
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
    """Combine a query's lexical and dense ranking into one ranking.

    Args:
        lexical: The products found by words, as row numbers of the index, int64 [n], and their scores, float32 [n],
            best first.
        dense: The same for the dense ranking; the length may differ.
        settings: Its `method` says whether reciprocal ranks or scaled scores are added.
        share: Function from products (as row numbers), int64 [m], to the weight of each product's dense score, float32
            [m], 0 to 1.
        k: Number of products of the result, at most.
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
    """Scale scores so that `low` becomes 0 and the greatest score 1; equal scores all become 1.

    Args:
        scores: The scores of one ranking, float [n].
        low: The score that becomes 0: 0 for lexical scores, their natural minimum (compare Bruch, Gai and Ingber 2023).
            None: the least of `scores`, for dense scores, because no product comes near their theoretical minimum.
    """
    if not len(scores):
        return scores
    low = float(scores.min()) if low is None else low
    high = float(scores.max())
    return (scores - low) / (high - low) if high > low else np.ones_like(scores)
