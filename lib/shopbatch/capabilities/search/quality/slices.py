"""Measures a search by slices of queries: by language, by length, and with or without conditions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from shopbatch.capabilities.search.quality.measure import Measured, gain, interval
from shopbatch.capabilities.search.quality.queries import Prepared
from shopbatch.capabilities.search.terms import is_unspaced

FEWEST = 10  # least number of queries of a slice
_LENGTHS = ((1, "1 word"), (3, "2-3 words"), (5, "4-5 words"))


def words_of(text: str) -> int:
    """Return the number of words of a text; in scripts without spaces, two characters are taken as one word."""
    unspaced = sum(map(is_unspaced, text))
    spaced = "".join(" " if is_unspaced(c) else c for c in text).split()
    return len(spaced) + -(-unspaced // 2)


def length_of(text: str) -> str:
    """Return the name of the slice that a query belongs to by its length, such as "2-3 words"."""
    count = words_of(text)
    return next((name for most, name in _LENGTHS if count <= most), "6 words or more")


def sliced(prepared: Prepared, candidate: Measured, baseline: Measured, seed: int) -> dict[str, dict[str, Any]]:
    """Measure each slice of the queries, such as a language, with at least FEWEST queries that have a useful product.

    Args:
        prepared: The queries.
        candidate: The quality of the search, for these queries.
        baseline: The quality of the best BM25, for the same queries.
        seed: Seed of the bootstrap.

    Returns:
        By the slice's name ("language zh"): the number of queries `n`, the candidate's measures (`ndcg_10`, ...) and
        `against_bm25`, its mean nDCG@10 minus the baseline's.
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
