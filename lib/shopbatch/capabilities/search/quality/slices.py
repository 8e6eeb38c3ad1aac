"""The quality of kinds of queries: by language, by length, and with or without conditions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from shopbatch.capabilities.search.quality.measure import Measured, gain, interval
from shopbatch.capabilities.search.quality.queries import Prepared
from shopbatch.capabilities.search.terms import is_unspaced

FEWEST = 10  # queries of a slice
_LENGTHS = ((1, "1 word"), (3, "2-3 words"), (5, "4-5 words"))


def words_of(text: str) -> int:
    """Count words; of scripts without spaces two characters are one."""
    unspaced = sum(map(is_unspaced, text))
    spaced = "".join(" " if is_unspaced(c) else c for c in text).split()
    return len(spaced) + -(-unspaced // 2)


def length_of(text: str) -> str:
    """Return the slice of a query by its length."""
    count = words_of(text)
    return next((name for most, name in _LENGTHS if count <= most), "6 words or more")


def sliced(prepared: Prepared, candidate: Measured, baseline: Measured, seed: int) -> dict[str, dict[str, Any]]:
    """Measure every slice of at least FEWEST queries with a useful product.

    Args:
        prepared: The queries.
        candidate, baseline: Their quality by two methods.
        seed: Seed of the bootstrap.

    Returns:
        By the slice's name: n, the candidate's quality, and its gain over the baseline.
    """
    names: list[Sequence[str]] = [
        [f"language {language}" for language in prepared.languages],
        [length_of(query.text) for query in prepared.queries],
        ["with conditions" if plan.mask is not None else "without conditions" for plan in prepared.plans],
    ]
    useful = ~np.isnan(candidate.ndcg)
    parts: dict[str, dict[str, Any]] = {}
    for labels in names:
        column = np.asarray(labels, object)
        for name in sorted(set(labels)):
            rows = np.flatnonzero((column == name) & useful)
            if len(rows) < FEWEST:
                continue
            part = candidate.of(rows)
            parts[name] = {
                "n": len(rows),
                "ndcg_10": interval(part.ndcg, seed).tree(),
                "ndcg_10_judged": interval(part.ndcg_judged, seed).tree(),
                "recall_50": interval(part.recall, seed).tree(),
                "zero_results": int((part.shown == 0).sum()),
                "violations": int(part.broken.sum()),
                "against_bm25": gain(part.ndcg, baseline.ndcg[rows], seed).tree(),
            }
    return parts
