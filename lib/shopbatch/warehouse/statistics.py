"""Computes the Delta statistics of a data file from its Parquet footer: rows, and min, max and nulls of columns.

`files.describe` calls it. Readers use min and max to skip files. The min and max of a column are left out if JSON or
Delta cannot store them exactly, such as an infinite number; readers then cannot skip the file by that column.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

_LONGEST = 64  # greatest length in bytes of a string's min or max in the log
_LAST = "\U0010ffff"  # no character sorts after it; Delta's own writers end a cut maximum with it
_DIGITS = 15  # digits of a decimal that a double holds exactly; readers take JSON numbers as doubles


def statistics(meta: pq.FileMetaData, schema: pa.Schema, hidden: set[str]) -> dict[str, Any]:
    """Return the statistics of one file, as Delta's log stores them.

    Args:
        meta: The file's footer.
        schema: The file's columns.
        hidden: Columns of which no value may be in the log; only their nulls are counted.

    Returns:
        {"numRecords", "minValues", "maxValues", "nullCount"}. A column that consists of several Parquet columns (a
        struct, a map) has no statistics.
    """
    low: dict[str, Any] = {}
    high: dict[str, Any] = {}
    nulls: dict[str, int] = {}
    for name, index in _places(meta, schema).items():
        groups = [meta.row_group(g).column(index).statistics for g in range(meta.num_row_groups)]
        if not all(s is not None and s.has_null_count for s in groups):
            continue
        nulls[name] = sum(s.null_count for s in groups)
        if name not in hidden and (bounds := _bounds(groups)):
            _bound(name, *bounds, low, high)
    return {"numRecords": meta.num_rows, "minValues": low, "maxValues": high, "nullCount": nulls}


def _places(meta: pq.FileMetaData, schema: pa.Schema) -> dict[str, int]:
    """Return {column: index of its Parquet column}; columns that consist of several Parquet columns are left out."""
    places, first = {}, 0
    for field in schema:
        leaves = _leaves(field.type)
        if leaves == 1:
            places[field.name] = first
        first += leaves
    return places if first == meta.num_columns else {}


def _leaves(kind: pa.DataType) -> int:
    """Return the number of Parquet columns that store a column of this type."""
    return sum(_leaves(kind.field(i).type) for i in range(kind.num_fields)) if kind.num_fields else 1


def _bounds(groups: Sequence[pq.Statistics]) -> tuple[Any, Any] | None:
    """Return (least, greatest) value of a column over its row groups.

    None if a row group with values has no statistics, or if a bound cannot be decoded.
    """
    known = [s for s in groups if s.has_min_max]
    if not known or any(s.num_values for s in groups if not s.has_min_max):
        return None
    try:
        return min(s.min for s in known), max(s.max for s in known)
    except (ValueError, OverflowError):  # a bound is not valid text, or a moment beyond the year 9999
        return None


def _bound(name: str, least: Any, most: Any, low: dict[str, Any], high: dict[str, Any]) -> None:
    if isinstance(least, datetime):
        low[name], high[name] = (
            v.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z") for v in (least, most)
        )
    elif isinstance(least, date):
        low[name], high[name] = least.isoformat(), most.isoformat()
    elif isinstance(least, (bool, int)):
        low[name], high[name] = least, most
    elif isinstance(least, float) and abs(least) < float("inf") and abs(most) < float("inf"):
        low[name], high[name] = least, most
    elif isinstance(least, Decimal) and max(len(v.as_tuple().digits) for v in (least, most)) <= _DIGITS:
        low[name], high[name] = float(least), float(most)
    elif isinstance(least, str) and (ceiling := _ceiling(most)) is not None:
        low[name], high[name] = _prefix(least), ceiling


def _prefix(text: str) -> str:
    """Return the text, cut to _LONGEST bytes."""
    return text.encode()[:_LONGEST].decode("utf-8", "ignore")


def _ceiling(text: str) -> str | None:
    """Return an upper bound of a text for the statistics: the text itself if it has at most _LONGEST bytes.

    A longer text is cut to _LONGEST bytes, and the last character of Unicode is appended: at most 68 bytes.

    Returns:
        None if there is no such bound, because the cut text continues with the last character of Unicode.
    """
    prefix = _prefix(text)
    if prefix == text:
        return text
    return None if text[len(prefix)] == _LAST else prefix + _LAST
