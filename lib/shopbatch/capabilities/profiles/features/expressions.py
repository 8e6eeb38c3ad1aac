"""Column expressions that several groups of features share."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F


def day(moment: str) -> Column:
    """The day of a moment, in the session's time zone, which the job sets to the shop's."""
    return F.to_date(F.col(moment))


def has_day(moment: str) -> Column:
    """Whether there is a moment, of a day that Python has too, as well as the days beside it (years 1 to 9999)."""
    return F.coalesce(F.year(F.col(moment)).between(2, 9998), F.lit(False))


def once(rows: DataFrame, key: str, columns: tuple[str, ...]) -> DataFrame:
    """One row per key: of several the greatest by `columns` in this order (null is least), wherever it lies."""
    greatest = F.max(F.struct(*columns)).alias("greatest")
    return rows.groupBy(key).agg(greatest).select(key, "greatest.*")


def money(cents: str | Column, kind: str = "decimal(18,2)") -> Column:
    """Whole cents (bigint) as exact money."""
    column = F.col(cents) if isinstance(cents, str) else cents
    return (column.cast("decimal(19,0)") * F.lit("0.01").cast("decimal(3,2)")).cast(kind)


def ratio(over: str | Column, under: str | Column) -> Column:
    """over / under as double; null where `under` is 0 or null."""
    top, bottom = (F.col(c) if isinstance(c, str) else c for c in (over, under))
    return top.cast("double") / F.when(bottom != 0, bottom).cast("double")
