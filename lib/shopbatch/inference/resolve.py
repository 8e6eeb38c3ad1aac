"""Decides which row of the memo is used if several rows have the same content.

Several rows arise after a crash, from two runs at once, or from another attempt. A result that the stage's checks
accept beats any other row. Among several accepted results, the one of the earliest commit wins, then the one of the
lowest file and row. Without an accepted result, the latest attempt wins.
"""

from __future__ import annotations

import polars as pl
import pyarrow as pa

from shopbatch.inference.shards import to_arrow
from shopbatch.inference.spec import Spec


def judged(spec: Spec, memo: pl.DataFrame) -> pl.DataFrame:
    """Add the column `verdict`: null if a row can be published, else the reason why not.

    It is the row's own `reason` if the row has no result, and the reason of `Stage.judge` if that refuses the result.
    """
    raw = to_arrow(memo.select(spec.stage.outputs.names))
    refused = pl.Series("verdict", spec.stage.judge(raw.cast(spec.stage.outputs)), dtype=pl.String)
    return memo.with_columns(
        pl.when(pl.col("reason").is_null()).then(refused).otherwise(pl.col("reason")).alias("verdict")
    )


def resolve(spec: Spec, memo: pl.DataFrame, judge: bool) -> pl.DataFrame:
    """Choose one row of the memo per content, and add its `verdict` (why it cannot be published; null: it can).

    Args:
        spec: The inference job.
        memo: Rows of the memo (hi, lo as uint64), in the order of their commits.
        judge: Whether `Stage.judge` is called for all rows. If not, it is called only for contents with several rows;
            `verdict` of the other rows is their `reason`.

    Returns:
        The chosen rows with all columns of `memo` and `verdict`; their order is not defined.
    """
    alike = memo["hi"].is_duplicated()  # only these few rows are compared by both words of the hash
    if not alike.any():
        return _with_verdict(spec, memo, judge)
    single, several = memo.filter(~alike), memo.filter(alike).with_row_index("nth")
    twice = several.select(pl.struct("hi", "lo").is_duplicated()).to_series()
    apart = _with_verdict(spec, several.filter(~twice), judge)
    several = pl.concat([judged(spec, several.filter(twice)), apart])
    worst_last = pl.when(pl.col("verdict").is_null()).then(0).otherwise(100 - pl.col("attempt").cast(pl.Int32))
    ranked = several.with_columns(worst_last.alias("rank")).sort("rank", "nth")
    chosen = ranked.unique(["hi", "lo"], keep="first", maintain_order=True).drop("nth", "rank")
    return pl.concat([_with_verdict(spec, single, judge), chosen])


def _with_verdict(spec: Spec, memo: pl.DataFrame, judge: bool) -> pl.DataFrame:
    """Add the column `verdict`: the stage's judgement if `judge` is True, else a copy of the column `reason`."""
    return judged(spec, memo) if judge else memo.with_columns(pl.col("reason").alias("verdict"))


def memo_table(spec: Spec, rows: pa.Table) -> pa.Table:
    """Convert rows (hi, lo as uint64, and the memo's other columns) to the table that a memo file holds."""
    columns = {name: rows[name] for name in rows.column_names}
    for word in ("hi", "lo"):
        signed = [chunk.view(pa.int64()) for chunk in columns[word].chunks]
        columns[f"hash_{word}"] = pa.chunked_array(signed, pa.int64())
    schema = spec.memo.file_schema()
    return pa.table([columns[name] for name in schema.names], names=schema.names).cast(schema)


def unsigned_words() -> list[pl.Expr]:
    """Return expressions that convert the columns hash_hi and hash_lo of a memo file to hi and lo (uint64)."""
    return [pl.col(f"hash_{w}").reinterpret(signed=False).alias(w) for w in ("hi", "lo")]
