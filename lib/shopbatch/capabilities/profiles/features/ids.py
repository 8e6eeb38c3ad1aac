"""Ids of several tables that must meet in a join: blanks at their ends are not part of them.

Exports pad ids with spaces, tabs, no-break or ideographic spaces, and with marks that nobody sees. Spark's `trim` knows
only the space.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from shopbatch.text.blanks import BLANKS


def trimmed(name: str) -> Column:
    """Return an id without blanks at its ends; an id of nothing but blanks is empty. Upper and lower case differ."""
    column = F.col(name)
    # nearly every id begins and ends with a visible ASCII character: to see that costs less than to trim
    clean = F.substring(column, 1, 1).between("!", "~") & F.substring(column, -1, 1).between("!", "~")
    return F.when(clean, column).otherwise(F.btrim(column, F.lit(BLANKS)))


def is_blank(name: str) -> Column:
    """Return a condition: the id in column `name` is null, empty or only blanks."""
    return F.coalesce(trimmed(name) == "", F.lit(True))


def with_trimmed_ids(rows: DataFrame, *ids: str) -> DataFrame:
    """Trim these ids, and leave out rows in which one of them is null or blank."""
    kept = rows.withColumns({name: trimmed(name) for name in ids})
    for name in ids:
        kept = kept.where(F.col(name) != "")
    return kept
