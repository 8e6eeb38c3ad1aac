"""The charts and tables of the report of `evaluate_search`: methods compared, queries won and lost, queries not found.

The report masks personal data in all cells that are text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from shopbatch.capabilities.search.quality.measure import Measured, interval
from shopbatch.capabilities.search.quality.queries import Prepared
from shopbatch.capabilities.search.quality.traffic import Unanswered
from shopbatch.evaluation.judged import mean
from shopbatch.runs.report import Figure

_BINS = 20


def methods(measures: Mapping[str, Measured], seed: int) -> list[Figure]:
    """Return a chart of each method's nDCG@10 with its interval, and a table of all its measures.

    Args:
        measures: The quality of each method, by its name.
        seed: Seed of the bootstrap.
    """
    intervals = {name: interval(m.ndcg, seed) for name, m in measures.items()}
    chart = {"panels": {"nDCG@10": {name: [i.value, i.low, i.high] for name, i in intervals.items()}}}
    rows = [
        [
            name,
            *(round(mean(values), 4) for values in (m.ndcg, m.ndcg_judged, m.recall, m.unjudged)),
            int((m.shown == 0).sum()),
            int(m.broken.sum()),
        ]
        for name, m in measures.items()
    ]
    columns = ["method", "nDCG@10", "nDCG@10, judged only", "recall@50", "unjudged of 10", "no result", "violations"]
    caption = "Means over the queries of the test half; the lines are 95 % intervals over queries."
    return [
        Figure("intervals", "nDCG@10 by method", chart, caption),
        Figure("table", "Methods", {"columns": columns, "rows": rows}),
    ]


def won_and_lost(prepared: Prepared, candidate: Measured, baseline: Measured, name: str, most: int) -> list[Figure]:
    """Return a histogram of the gain over BM25 by query, and tables of the queries with the largest gains and losses.

    Args:
        prepared: The queries.
        candidate: The quality of the search.
        baseline: The quality of the best BM25.
        name: Name of the best BM25.
        most: Number of queries in each table, at most.
    """
    gap = candidate.ndcg - baseline.ndcg
    known = np.flatnonzero(~np.isnan(gap))
    counts, _ = np.histogram(gap[known], _BINS, (-1, 1))
    panel = {"low": -1.0, "high": 1.0, "counts": counts.tolist()}
    order = known[np.argsort(gap[known], kind="stable")]
    lost, won = [r for r in order[:most] if gap[r] < 0], [r for r in order[::-1][:most] if gap[r] > 0]
    caption = "Right of the middle the search is better, left of it BM25 is."

    def listed(rows: list[Any]) -> dict[str, Any]:
        cells = [
            [prepared.queries[r].text, prepared.languages[r], *(round(float(v), 3) for v in _three(r))] for r in rows
        ]
        return {"columns": ["query", "language", "search", "BM25", "difference"], "rows": cells}

    def _three(row: int) -> tuple[float, float, float]:
        return candidate.ndcg[row], baseline.ndcg[row], gap[row]

    figures = [Figure("histograms", f"nDCG@10 against {name}, by query", {"panels": {"difference": panel}}, caption)]
    figures += [Figure("table", "Queries won against BM25", listed(won))] if won else []
    return [*figures, *([Figure("table", "Queries lost against BM25", listed(lost))] if lost else [])]


def not_found(prepared: Prepared, candidate: Measured, most: int) -> list[Figure]:
    """Return a table of the queries for which no useful product is among the first fifty.

    Args:
        prepared: The queries.
        candidate: The quality of the search.
        most: Number of queries in the table, at most; those with most useful products come first.
    """
    missed = np.flatnonzero(candidate.recall == 0)
    useful = np.array([prepared.queries[row].judged.useful for row in missed], np.int64)
    rows = [
        [prepared.queries[row].text, prepared.languages[row], int(count), int(candidate.shown[row])]
        for row, count in sorted(zip(missed.tolist(), useful.tolist(), strict=True), key=lambda x: (-x[1], x[0]))[:most]
    ]
    columns = ["query", "language", "useful products", "products shown"]
    caption = f"{len(missed):,} queries: none of their useful products is among the first fifty."
    return [Figure("table", "Not found", {"columns": columns, "rows": rows}, caption)] if rows else []


def slices(tree: Mapping[str, Mapping[str, Any]]) -> list[Figure]:
    """Return a table of the slices: number of queries, quality, and the gain over the best BM25 with its interval.

    Args:
        tree: The measures by slice, as `slices.sliced` returns them.
    """

    def cells(name: str, part: Mapping[str, Any]) -> list[Any]:
        gap = part["against_bm25"]
        span = f"{gap['value']:+.3f} [{gap['low']:+.3f}, {gap['high']:+.3f}]"
        return [name, part["n"], round(part["ndcg_10"]["value"], 3), round(part["ndcg_10_judged"]["value"], 3), span]

    rows = [cells(name, part) for name, part in tree.items()]
    columns = ["queries", "n", "nDCG@10", "nDCG@10, judged only", "against BM25"]
    return [Figure("table", "Slices", {"columns": columns, "rows": rows})] if rows else []


def traffic(counts: Unanswered) -> list[Figure]:
    """Return tables of the most frequent queries that led to no result, or to no click."""
    figures = []
    for title, rows in (
        ("Searches without a result", counts.most_without_result),
        ("Searches without a click", counts.most_without_click),
    ):
        if rows:
            cells = [[query, count, f"{share:.0%}"] for query, count, share in rows]
            data = {"columns": ["query", "searches", "of its searches"], "rows": cells}
            figures.append(Figure("table", title, data, "From `events`; queries of at least three visits."))
    return figures
