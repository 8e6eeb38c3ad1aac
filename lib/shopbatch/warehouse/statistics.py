"""Delta statistics of a data file, from its Parquet footer: rows, and each column's least, greatest and null count.

Called by `files.describe`. A bound that JSON or Delta would change is left out: readers then read the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

_LONGEST = 64  # bytes of a string's bound that are worth a place in the log
_LAST = "\U0010ffff"  # no character sorts after it; Delta's own writers end a cut maximum with it
_DIGITS = 15  # digits of a decimal that a double holds exactly; readers take JSON numbers as doubles


def statistics(meta: pq.FileMetaData, schema: pa.Schema, hidden: set[str]) -> dict[str, Any]:
    """Collect the statistics of one file.

    Args:
        meta: The file's footer.
        schema: The file's columns.
        hidden: Columns of which no value may stand in the log.

    Returns:
        numRecords, minValues, maxValues and nullCount, as Delta's log has them. A column that consists of several
        Parquet columns (a struct, a map) has none.
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
    """Return for each column the index of its Parquet column. Nested columns, which have several, are left out."""
    places, first = {}, 0
    for field in schema:
        leaves = _leaves(field.type)
        if leaves == 1:
            places[field.name] = first
        first += leaves
    return places if first == meta.num_columns else {}


def _leaves(kind: pa.DataType) -> int:
    """How many Parquet columns hold a column of this type."""
    return sum(_leaves(kind.field(i).type) for i in range(kind.num_fields)) if kind.num_fields else 1


def _bounds(groups: Sequence[pq.Statistics]) -> tuple[Any, Any] | None:
    """Least and greatest value over a column's row groups; None if a group with values has no bounds."""
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
    """The text, or as much of it as is worth a place in the log."""
    return text.encode()[:_LONGEST].decode("utf-8", "ignore")


def _ceiling(text: str) -> str | None:
    """A text of bounded length that is not less than `text`; None if there is none (it holds the last character)."""
    prefix = _prefix(text)
    if prefix == text:
        return text
    return None if text[len(prefix)] == _LAST else prefix + _LAST
