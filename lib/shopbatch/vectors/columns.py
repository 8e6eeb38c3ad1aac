"""Converts between NumPy matrices and the binary Arrow columns in which memos and tables store vectors.

Long columns are processed in pieces, so that memory stays small.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from shopbatch.vectors.dense import quantised

_PIECE = 8192  # rows processed at once


def matrix(column: pa.Array | pa.ChunkedArray, kind: Any = np.float16) -> np.ndarray:
    """Decode a column of vectors into a matrix, float32 [n, dim]; [0, 0] for an empty column.

    Args:
        column: binary [n] without nulls; each value holds the bytes of one vector.
        kind: NumPy type of the stored numbers, such as np.float16 or np.int8.
    """
    values = column.to_pylist()
    if not values:
        return np.zeros((0, 0), np.float32)
    return np.frombuffer(b"".join(values), kind).reshape(len(values), -1).astype(np.float32)


def column_of(rows: np.ndarray) -> pa.Array:
    """Encode the rows of a matrix, [n, dim] of any type, as a column of bytes, binary [n]."""
    return pa.array([row.tobytes() for row in rows], pa.binary())


def without_meaning(column: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """Return a mask of the float16 vectors that are unusable: all zeros, or not finite. A null counts as usable.

    Args:
        column: binary [n].

    Returns:
        bool [n].
    """
    out = np.zeros(len(column), bool)
    for start in range(0, len(column), _PIECE):
        piece = column.slice(start, _PIECE)
        there = np.flatnonzero(piece.is_valid().to_numpy(zero_copy_only=False))
        vectors = matrix(piece.take(pa.array(there)))
        out[start + there] = ~np.isfinite(vectors).all(axis=1) | (vectors == 0).all(axis=1)
    return out


def in_eight_bits(column: pa.Array | pa.ChunkedArray) -> tuple[pa.Array, pa.Array]:
    """Quantise a column of float16 vectors to 8 bits (see `dense.quantised`).

    Args:
        column: binary [n] without nulls.

    Returns:
        The int8 vectors, binary [n], and their scales, float32 [n].
    """
    codes, scales = [pa.array([], pa.binary())], [pa.array([], pa.float32())]
    for start in range(0, len(column), _PIECE):
        code, scale = quantised(matrix(column.slice(start, _PIECE)))
        codes.append(column_of(code))
        scales.append(pa.array(scale, pa.float32()))
    return pa.concat_arrays(codes), pa.concat_arrays(scales)
