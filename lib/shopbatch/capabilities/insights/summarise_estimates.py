"""Estimates shares of negative mentions with 95 % intervals, and compares them with the time window before.

Runs on Arrow batches inside Spark tasks (`summarise._Estimator`).
"""

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
    """Least amounts of evidence, from the settings `least` of `summarise_reviews`.

    Attributes:
        mentions: Least mentions from which a share is published.
        compared: Least mentions in each of two windows that are compared.
        labels: Least labelled mentions from which a method uses labels.
    """

    mentions: int
    compared: int
    labels: int


@dataclass(frozen=True)
class Estimate:
    """Estimated shares of negative mentions, one per row; NaN where a row has no mentions.

    Attributes:
        share: Estimated share, 0 to 1, float [n].
        low: Lower ends of the 95 % intervals, float [n].
        high: Upper ends of the 95 % intervals, float [n].
        method: Index into METHODS of the method used, int [n].
        labels: Labelled mentions that the estimate rests on, int [n].
    """

    share: np.ndarray
    low: np.ndarray
    high: np.ndarray
    method: np.ndarray
    labels: np.ndarray


def estimate(hits: np.ndarray, rows: np.ndarray, own: np.ndarray, pooled: np.ndarray, least_labels: int) -> Estimate:
    """Estimate each row's share of negative mentions by the best method that its labels allow.

    1. With enough labels of the row's own mentions: prediction-powered inference.
    2. Else, with enough labels of the aspect's mentions, and a model that predicts them well enough (LEAST_SKILL): the
      share of negative predictions, corrected by the model's error rates.
    3. Else: the share of negative predictions.

    Args:
        hits: Number of mentions that the model predicts to be negative, [n].
        rows: Number of mentions, [n]; a row with 0 gets NaN.
        own: Numbers of labelled mentions of the row: label and prediction negative, only the label, only the
            prediction, neither, [n, 4].
        pooled: The four numbers of `own` over all labelled mentions of the row's aspect, of any product and time, [n,
            4].
        least_labels: Number of labels that a method needs.
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
    """Append the columns of ADDED (shares, intervals, changes and p-values) to batches of counts.

    Args:
        batches: Rows of `summarise_counts.cells` with three more columns: the counts of labels `labelled` and `pooled`
            (see `Summary._with_labels`), and `former`, the counts of the window before (see
            `summarise_counts.with_former`).
        rules: Least amounts of evidence; a share or change with less evidence is null.

    Yields:
        The batches with the added columns.
    """
    for batch in batches:
        table = pa.table(batch)
        columns = _estimates(pl.DataFrame(table), rules)
        for name, values in columns.items():
            table = table.append_column(name, values)
        yield from table.combine_chunks().to_batches()


def _estimates(rows: pl.DataFrame, rules: Rules) -> dict[str, pa.Array]:
    """Return the columns of ADDED for one batch of rows with numbers of mentions."""
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
    """Convert a column of lists of four counts into an array [n, 4]; a null list becomes four zeros."""
    whole = lists.fill_null(pl.Series([[0, 0, 0, 0]], dtype=pl.List(pl.Int64)))
    return whole.explode().to_numpy().reshape(len(lists), 4) if len(lists) else np.zeros((0, 4), np.int64)


def _nullable(values: np.ndarray, valid: np.ndarray) -> pa.Array:
    """Return the values as an Arrow array of doubles, null where `valid` is False."""
    return pa.array(values, pa.float64(), mask=~valid)
