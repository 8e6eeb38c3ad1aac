"""Ids of several tables that must meet in a join: blanks at their ends are not part of them.

Exports pad ids with spaces, tabs, no-break or ideographic spaces, and with marks that nobody sees. Spark's `trim` knows
only the space.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

# The spaces and control characters of Unicode, the marks without width, and the letters that are drawn as nothing.
_RANGES = (
    (0x00, 0x20), (0x7F, 0xA0), (0xAD, 0xAD), (0x034F, 0x034F), (0x061C, 0x061C), (0x115F, 0x1160), (0x1680, 0x1680),
    (0x180E, 0x180E), (0x2000, 0x200F), (0x2028, 0x202F), (0x205F, 0x206F), (0x2800, 0x2800),
    (0x3000, 0x3000), (0x3164, 0x3164), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF9, 0xFFFB), (0xE0001, 0xE0001),
    (0xE0020, 0xE007F),
)  # fmt: skip
BLANKS = "".join(chr(code) for low, high in _RANGES for code in range(low, high + 1))


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
