"""What the lists of one method are worth, query by query, and how certain the means are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pyarrow as pa

from shopbatch.capabilities.search.conditions import mask_of
from shopbatch.capabilities.search.filters import facts_of, look
from shopbatch.capabilities.search.index import SearchIndex
from shopbatch.capabilities.search.plan import Plan
from shopbatch.capabilities.search.quality.queries import Prepared
from shopbatch.evaluation.classification import Interval
from shopbatch.evaluation.judged import DEPTH, list_quality, mean
from shopbatch.evaluation.paired import difference

Breaks = Callable[[SearchIndex, Plan, np.ndarray], np.ndarray]  # products shown -> which break the query's conditions


def breaks_conditions(index: SearchIndex, plan: Plan, shown: np.ndarray) -> np.ndarray:
    """Say which products break what a query demands, bool [shown], from their rows and not from the mask."""
    rows = index.products.take(pa.array(shown, pa.int64()))
    meets = mask_of(rows, plan.conditions)
    out = np.zeros(len(shown), bool) if meets is None else ~meets
    if plan.constraints and index.stated is not None:
        facts = facts_of(rows, index.stated.vocabulary)
        for constraint in plan.constraints:
            looked = look(facts, constraint, plan.constraints)
            out |= ~looked.allowed if looked is not None else False
    return out


@dataclass(frozen=True)
class Measured:
    """The quality of the lists of one method. Each field is an array [queries]; see `evaluation.judged.ListQuality`.

    Attributes:
        broken: How many of the first ten products violate a condition of the query.
    """

    ndcg: np.ndarray
    ndcg_judged: np.ndarray
    recall: np.ndarray
    unjudged: np.ndarray
    shown: np.ndarray
    broken: np.ndarray

    def of(self, rows: np.ndarray) -> Measured:
        """Return the quality for some queries."""
        return Measured(*(getattr(self, f.name)[rows] for f in fields(self)))

    def tree(self, seed: int) -> dict[str, Any]:
        """Return the means, with 95 % intervals over queries."""
        return {
            "ndcg_10": interval(self.ndcg, seed).tree(),
            "ndcg_10_judged": interval(self.ndcg_judged, seed).tree(),
            "recall_50": interval(self.recall, seed).tree(),
            "unjudged_10": round(mean(self.unjudged), 5),
            "zero_results": int((self.shown == 0).sum()),
            "violations": int(self.broken.sum()),
        }


def measured(
    index: SearchIndex, prepared: Prepared, lists: Sequence[np.ndarray], breaks: Breaks = breaks_conditions
) -> Measured:
    """Judge the lists of one method.

    Args:
        index: The index.
        prepared: The queries.
        lists: Product numbers of each query, best first.
        breaks: Says which products break a query's conditions.
    """
    rows = [list_quality(ranked, q.judged) for ranked, q in zip(lists, prepared.queries, strict=True)]
    broken = [
        int(breaks(index, plan, ranked[:DEPTH]).sum()) if plan.mask is not None else 0
        for ranked, plan in zip(lists, prepared.plans, strict=True)
    ]
    numbers = np.array([[r.ndcg, r.ndcg_judged, r.recall, r.unjudged, r.shown] for r in rows], np.float64)
    columns = numbers.reshape(-1, 5).T
    return Measured(columns[0], columns[1], columns[2], columns[3], columns[4], np.array(broken, np.int64))


def interval(values: np.ndarray, seed: int) -> Interval:
    """Return the mean of the numbers that are not nan, with its interval."""
    known = values[~np.isnan(values)]
    return difference(known, np.zeros(len(known)), seed)


def gain(first: np.ndarray, second: np.ndarray, seed: int) -> Interval:
    """Return the mean of first - second over the queries for which both are known, with its interval."""
    both = ~np.isnan(first) & ~np.isnan(second)
    return difference(first[both], second[both], seed)
