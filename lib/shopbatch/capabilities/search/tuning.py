"""Fusion weights from labelled queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from shopbatch.capabilities.search.fusion import fuse
from shopbatch.capabilities.search.settings import FusionSettings
from shopbatch.evaluation.graded import graded_ndcg

LEAST = 100  # labelled queries from which weights are tuned; with fewer, reciprocal ranks are as good and safer
SHARES = tuple(round(0.05 * n, 2) for n in range(21))
List = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Labelled:
    """One query whose products were graded, and what the two indexes find for it.

    Attributes:
        pair: Its language and that of the products, as `zh-en`.
        lexical, dense: Product numbers and scores, best first, as deep as the fusion is.
        grades: The gain of each judged product, by its number.
    """

    pair: str
    lexical: List
    dense: List
    grades: Mapping[int, float]


def quality(queries: Sequence[Labelled], settings: FusionSettings, share: float = 0.5, k: int = 10) -> np.ndarray:
    """Return the nDCG@k of each query, float64 [queries]."""

    def shares(products: np.ndarray) -> np.ndarray:
        return np.full(len(products), share, np.float32)

    lists = [fuse(q.lexical, q.dense, settings, shares, k).products.tolist() for q in queries]
    return np.array([graded_ndcg(ranked, q.grades, k) for ranked, q in zip(lists, queries, strict=True)])


def tuned(queries: Sequence[Labelled], depth: int = 1000) -> FusionSettings:
    """Choose the share of the dense score for each pair of languages: the one of the best mean nDCG@10.

    A pair with fewer than LEAST labelled queries has the share of all; with fewer in all, there are no weights.
    """
    if len(queries) < LEAST:
        return FusionSettings(method="rrf", depth=depth, queries=len(queries))
    convex = FusionSettings(method="convex", depth=depth)
    scores = np.stack([quality(queries, convex, share) for share in SHARES])
    pairs = np.array([q.pair for q in queries])
    groups = {"*": np.ones(len(queries), bool)}
    groups |= {pair: pairs == pair for pair in sorted(set(pairs)) if (pairs == pair).sum() >= LEAST}
    dense = {name: _best(np.nanmean(scores[:, rows], axis=1)) for name, rows in groups.items()}
    return FusionSettings(method="convex", dense=dense, depth=depth, queries=len(queries))


def _best(means: np.ndarray) -> float:
    """The share of the best mean; of several equally good ones that in the middle."""
    best = np.flatnonzero(means >= means.max() - 1e-9)
    return SHARES[int(best[len(best) // 2])]
