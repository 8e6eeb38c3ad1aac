"""Columns of vectors, as memos and tables hold them. Long ones are worked on in pieces, so that memory stays small."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from shopbatch.vectors.dense import quantised

_PIECE = 8192  # rows


def matrix(column: pa.Array | pa.ChunkedArray, kind: Any = np.float16) -> np.ndarray:
    """Return a column of vectors as float32 [n, dim].

    Args:
        column: binary [n] without nulls, each value the numbers of a vector.
        kind: The type of these numbers.
    """
    values = column.to_pylist()
    if not values:
        return np.zeros((0, 0), np.float32)
    return np.frombuffer(b"".join(values), kind).reshape(len(values), -1).astype(np.float32)


def column_of(rows: np.ndarray) -> pa.Array:
    """Return vectors, [n, dim] of any type, as binary [n]."""
    return pa.array([row.tobytes() for row in rows], pa.binary())


def without_meaning(column: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """Return which float16 vectors are not finite or have no length, bool [n]; a missing one is neither."""
    out = np.zeros(len(column), bool)
    for start in range(0, len(column), _PIECE):
        piece = column.slice(start, _PIECE)
        there = np.flatnonzero(piece.is_valid().to_numpy(zero_copy_only=False))
        vectors = matrix(piece.take(pa.array(there)))
        out[start + there] = ~np.isfinite(vectors).all(axis=1) | (vectors == 0).all(axis=1)
    return out


def in_eight_bits(column: pa.Array | pa.ChunkedArray) -> tuple[pa.Array, pa.Array]:
    """Return float16 vectors in 8 bits, binary [n], and their scales, float32 [n]; see `dense.quantised`."""
    codes, scales = [pa.array([], pa.binary())], [pa.array([], pa.float32())]
    for start in range(0, len(column), _PIECE):
        code, scale = quantised(matrix(column.slice(start, _PIECE)))
        codes.append(column_of(code))
        scales.append(pa.array(scale, pa.float32()))
    return pa.concat_arrays(codes), pa.concat_arrays(scales)
