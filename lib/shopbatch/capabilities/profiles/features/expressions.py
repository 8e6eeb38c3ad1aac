"""Spark column expressions that several modules of features share: days, money, ratios, unique rows."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F


def day(moment: str) -> Column:
    """Return the day of the timestamp column `moment` in the session's time zone, which the job sets to the shop's."""
    return F.to_date(F.col(moment))


def has_day(moment: str) -> Column:
    """Return a condition that holds if the timestamp column `moment` is not null and lies in the years 2 to 9998.

    Python knows the years 1 to 9999, so it can then also represent the day before and the day after.
    """
    return F.coalesce(F.year(F.col(moment)).between(2, 9998), F.lit(False))


def one_per_key(rows: DataFrame, key: str, columns: tuple[str, ...]) -> DataFrame:
    """Keep one row per key: the greatest by `columns`, compared in this order (null is least).

    The place of a row in the files does not matter. The result has the columns `key` and `columns`.
    """
    greatest = F.max(F.struct(*columns)).alias("greatest")
    return rows.groupBy(key).agg(greatest).select(key, "greatest.*")


def money(cents: str | Column, kind: str = "decimal(18,2)") -> Column:
    """Convert whole cents (bigint) to an exact decimal amount of the Spark type `kind` (1999 -> 19.99)."""
    column = F.col(cents) if isinstance(cents, str) else cents
    return (column.cast("decimal(19,0)") * F.lit("0.01").cast("decimal(3,2)")).cast(kind)


def ratio(over: str | Column, under: str | Column) -> Column:
    """Return `over` / `under` as a double column; null if `under` is 0 or null."""
    top, bottom = (F.col(c) if isinstance(c, str) else c for c in (over, under))
    return top.cast("double") / F.when(bottom != 0, bottom).cast("double")
