"""Text that is not valid UTF-8, which Arrow's kernels cannot work on and no reader can decode."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc


def invalid_utf8(column: pa.ChunkedArray) -> pa.Array | None:
    """Find the rows that hold text that is not valid UTF-8, also inside lists, structs and maps.

    Returns:
        A boolean for each row, or None if all rows are valid, which is nearly always so.
    """
    if _is_valid(column):
        return None
    if column.type.num_fields:  # a slice is validated with the elements of the rows around it
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
    """Replace text that is not valid UTF-8 with empty text, so that Arrow's string kernels can run on the column."""
    bad = invalid_utf8(column)
    if bad is None:
        return column
    return pc.if_else(bad, pa.scalar("", column.type), column)
