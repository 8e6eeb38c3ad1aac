"""Measures the quality of the ranked lists of one method, query by query, with confidence intervals of the means."""

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

Breaks = Callable[[SearchIndex, Plan, np.ndarray], np.ndarray]  # shown products -> bool: violates a condition


def breaks_conditions(index: SearchIndex, plan: Plan, shown: np.ndarray) -> np.ndarray:
    """Return which products of a list violate a condition of the query, bool [shown].

    The products' rows are read again and the plan's mask is not used, so that errors of the mask are found.

    Args:
        index: The index.
        plan: The query's conditions.
        shown: The products of the list, as row numbers of the index.
    """
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
    """The quality of one method's lists; each field is an array [queries]. See `evaluation.judged.ListQuality`.

    Attributes:
        ndcg: nDCG@10, where an unjudged product counts as useless; nan if the query has no useful product.
        ndcg_judged: nDCG@10 of the list without unjudged products; nan if the query has no useful product.
        recall: Share of the useful products that are among the first fifty; nan if the query has no useful product.
        unjudged: Share of the first ten products that nobody judged; nan for an empty list.
        shown: Number of products in the list, at most ten.
        broken: How many of the first ten products violate a condition of the query.
    """

    ndcg: np.ndarray
    ndcg_judged: np.ndarray
    recall: np.ndarray
    unjudged: np.ndarray
    shown: np.ndarray
    broken: np.ndarray

    def of(self, rows: np.ndarray) -> Measured:
        """Return the measures of some queries only, given by their indexes, int [m]."""
        return Measured(*(getattr(self, f.name)[rows] for f in fields(self)))

    def tree(self, seed: int) -> dict[str, Any]:
        """Return the means over queries, with 95 % intervals, as a tree for the report."""
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
    """Measure the lists of one method.

    Args:
        index: The index.
        prepared: The queries, [n].
        lists: For each query its products as row numbers of the index, best first, [n].
        breaks: Returns which products violate a query's conditions, bool [shown].
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
    """Return the mean of the values that are not nan, with its bootstrap interval."""
    known = values[~np.isnan(values)]
    return difference(known, np.zeros(len(known)), seed)


def gain(first: np.ndarray, second: np.ndarray, seed: int) -> Interval:
    """Return the mean of `first - second` over the queries where neither is nan, with its bootstrap interval."""
    both = ~np.isnan(first) & ~np.isnan(second)
    return difference(first[both], second[both], seed)
