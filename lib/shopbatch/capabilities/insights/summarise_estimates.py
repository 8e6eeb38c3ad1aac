"""Counts -> shares with intervals, and changes against the window before, on batches of rows in Spark's tasks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from shopbatch.evaluation.changes import exact_p_values
from shopbatch.evaluation.misclassification import LEAST_SKILL, corrected_shares, skill
from shopbatch.evaluation.prediction_powered import powered_shares
from shopbatch.evaluation.proportions import score_interval
from shopbatch.tables.product_aspects import METHODS
from shopbatch.tables.review_aspects import REMARKS

LEVEL = 0.95
ADDED = "share_negative double, low double, high double, method string, labels bigint, change double, p_value double"


@dataclass(frozen=True)
class Rules:
    """How much evidence a number needs: mentions for a share, mentions for a comparison, labels."""

    mentions: int
    compared: int
    labels: int


@dataclass(frozen=True)
class Estimate:
    """Shares and ends of their intervals, float [n]; the index of the method, and the labels used, int [n]."""

    share: np.ndarray
    low: np.ndarray
    high: np.ndarray
    method: np.ndarray
    labels: np.ndarray


def estimate(hits: np.ndarray, rows: np.ndarray, own: np.ndarray, pooled: np.ndarray, least_labels: int) -> Estimate:
    """Estimate the share of negative mentions by the best method that the labels allow.

    Args:
        hits: Mentions found negative, [n].
        rows: Mentions, [n]; nothing is estimated where there are none.
        own: Labelled mentions of these, by truth and prediction, [n, 4] (see `summarise_labels.TABLE_OF`).
        pooled: Labelled mentions of the same aspect, of whatever product and time, [n, 4].
        least_labels: Labels that a method needs.
    """
    n = len(rows)
    share, low, high = (np.full(n, np.nan) for _ in range(3))
    method, labels = np.full(n, METHODS.index("predictions")), np.zeros(n, np.int64)
    some = rows > 0
    powered = some & (own.sum(axis=1) >= least_labels) & (own.sum(axis=1) <= rows)
    fixed = some & ~powered & (pooled.sum(axis=1) >= least_labels) & (skill(pooled) >= LEAST_SKILL)
    raw = some & ~powered & ~fixed
    share[raw] = hits[raw] / rows[raw]
    low[raw], high[raw] = score_interval(hits[raw], rows[raw], LEVEL)
    for name, chosen, table, function in (
        ("prediction-powered", powered, own, powered_shares),
        ("corrected", fixed, pooled, corrected_shares),
    ):
        shares = function(table[chosen], hits[chosen], rows[chosen], LEVEL)
        share[chosen], low[chosen], high[chosen] = shares.share, shares.low, shares.high
        method[chosen], labels[chosen] = METHODS.index(name), table[chosen].sum(axis=1)
    return Estimate(share, low, high, method, labels)


def add_estimates(batches: Iterator[pa.RecordBatch], rules: Rules) -> Iterator[pa.RecordBatch]:
    """Append the columns of ADDED to batches with mentions, negatives, labelled, pooled and former."""
    for batch in batches:
        table = pa.table(batch)
        columns = _estimates(pl.DataFrame(table), rules)
        for name, values in columns.items():
            table = table.append_column(name, values)
        yield from table.combine_chunks().to_batches()


def _estimates(rows: pl.DataFrame, rules: Rules) -> dict[str, pa.Array]:
    aspect, pooled = rows["aspect"], _tables(rows["pooled"])
    mentions, negatives = (rows[name].to_numpy() for name in ("mentions", "negatives"))
    now = estimate(negatives, mentions, _tables(rows["labelled"]), pooled, rules.labels)
    former = rows["former"]
    rows_before, hits_before = (former.struct.field(name).fill_null(0).to_numpy() for name in ("mentions", "negatives"))
    before = estimate(hits_before, rows_before, _tables(former.struct.field("labelled")), pooled, rules.labels)
    is_share = ~aspect.is_in(list(REMARKS)).to_numpy()
    shown = is_share & (mentions >= rules.mentions)
    compared = is_share & (np.minimum(mentions, rows_before) >= max(rules.compared, rules.mentions))
    p_values = np.full(len(mentions), np.nan)
    at = np.flatnonzero(compared)
    p_values[at] = exact_p_values(negatives[at], mentions[at], hits_before[at], rows_before[at])
    numbers = {"share_negative": now.share, "low": now.low, "high": now.high}
    out = {name: _nullable(values, shown) for name, values in numbers.items()}
    return out | {
        "method": pa.array(np.array(METHODS)[now.method].tolist(), pa.string()),
        "labels": pa.array(np.where(is_share, now.labels, 0), pa.int64()),
        "change": _nullable(now.share - before.share, compared),
        "p_value": _nullable(p_values, compared),
    }


def _tables(lists: pl.Series) -> np.ndarray:
    """Lists of four counts as an array [n, 4]; zeros where there is none."""
    whole = lists.fill_null(pl.Series([[0, 0, 0, 0]], dtype=pl.List(pl.Int64)))
    return whole.explode().to_numpy().reshape(len(lists), 4) if len(lists) else np.zeros((0, 4), np.int64)


def _nullable(values: np.ndarray, valid: np.ndarray) -> pa.Array:
    return pa.array(values, pa.float64(), mask=~valid)
