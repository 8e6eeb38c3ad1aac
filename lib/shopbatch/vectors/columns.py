"""Columns of vectors, as tables hold them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa


def matrix(column: pa.Array | pa.ChunkedArray, kind: Any = np.float16) -> np.ndarray:
    """Return a column of vectors as float32 [n, dim].

    Args:
        column: binary [n], each value the numbers of a vector.
        kind: The type of these numbers.
    """
    values = column.to_pylist()
    if not values:
        return np.zeros((0, 0), np.float32)
    return np.frombuffer(b"".join(values), kind).reshape(len(values), -1).astype(np.float32)


def column_of(rows: np.ndarray) -> pa.Array:
    """Return vectors, [n, dim] of any type, as binary [n]."""
    return pa.array([row.tobytes() for row in rows], pa.binary())
