"""Trim the ids of several tables in the same way, so that they match in joins.

Exports pad ids with spaces, tabs, no-break or ideographic spaces, and with invisible characters. Spark's `trim` removes
only the ordinary space.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from shopbatch.text.blanks import BLANKS


def trimmed(name: str) -> Column:
    """Return the id in column `name` without blanks at its ends; an id of only blanks becomes "".

    Upper and lower case are kept, so ids that differ only in case stay different.
    """
    column = F.col(name)
    # nearly every id begins and ends with a visible ASCII character, and checking that costs less than trimming
    clean = F.substring(column, 1, 1).between("!", "~") & F.substring(column, -1, 1).between("!", "~")
    return F.when(clean, column).otherwise(F.btrim(column, F.lit(BLANKS)))


def is_blank(name: str) -> Column:
    """Return a condition that holds if the id in column `name` is null, empty or only blanks."""
    return F.coalesce(trimmed(name) == "", F.lit(True))


def with_trimmed_ids(rows: DataFrame, *ids: str) -> DataFrame:
    """Trim the id columns `ids`, and leave out rows in which one of them is null or blank."""
    kept = rows.withColumns({name: trimmed(name) for name in ids})
    for name in ids:
        kept = kept.where(F.col(name) != "")
    return kept
