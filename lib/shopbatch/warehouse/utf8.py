"""Finds text that is not valid UTF-8: Arrow's string functions fail on it, and no reader can decode it."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc


def invalid_utf8(column: pa.ChunkedArray) -> pa.Array | None:
    """Find the rows with text that is not valid UTF-8, also inside lists, structs and maps.

    Returns:
        A boolean mask [n]: True for invalid rows. None if all rows are valid, which is nearly always so.
    """
    if _is_valid(column):
        return None
    if column.type.num_fields:  # validating a slice would validate the rows around it, too
        broken = [not _is_valid(column.take(pa.array([row]))) for row in range(len(column))]
        return pa.array(broken) if any(broken) else None
    raw = column.cast(pa.binary()).to_pylist()
    return pa.array([value is not None and not _decodes(value) for value in raw])


def _is_valid(column: pa.ChunkedArray) -> bool:
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _decodes(value: bytes) -> bool:
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def blank(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Replace text that is not valid UTF-8 by "", so that Arrow's string functions can run on the column."""
    bad = invalid_utf8(column)
    if bad is None:
        return column
    return pc.if_else(bad, pa.scalar("", column.type), column)
