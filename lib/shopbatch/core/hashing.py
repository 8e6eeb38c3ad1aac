"""The name of a row's content: a 128-bit XXH3 hash over its length-prefixed columns. Called by tasks, never by jobs.

Two rows have one hash when every column that the stage reads is equal, byte for byte; null is not empty.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

U64 = np.uint64


def hash128(columns: Sequence[pa.ChunkedArray | pa.Array]) -> tuple[np.ndarray, np.ndarray]:
    """(high, low) 64-bit words, uint64 [n] each, of the rows of `columns` (strings, binary, or castable to string).

    A row is hashed as `<bytes>:<value>` for each column, -1 bytes for a null: no two rows share an encoding.
    """
    framed: list[pa.Array] = []
    for column in columns:
        flat = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        if not _is_text(flat.type):
            flat = flat.cast(pa.string())
        raw = flat.cast(pa.large_binary())
        length = pc.fill_null(pc.binary_length(raw), -1).cast(pa.string()).cast(pa.large_binary())
        framed += [length, pc.fill_null(raw, b"")]
    joined = pc.binary_join_element_wise(*framed, pa.scalar(b":", pa.large_binary()))
    return _words(joined)


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
    )


def _words(values: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """XXH3-128 of each value of a large_binary array without nulls."""
    if len(values) == 0:
        return np.empty(0, U64), np.empty(0, U64)
    _, offsets_buffer, data_buffer = values.buffers()
    ends = np.frombuffer(offsets_buffer, np.int64)[values.offset : values.offset + len(values) + 1].tolist()
    data = memoryview(data_buffer)
    digest = xxhash.xxh3_128_digest
    words = b"".join([digest(data[a:b]) for a, b in pairwise(ends)])
    pairs = np.frombuffer(words, ">u8").reshape(-1, 2).astype(U64)
    return np.ascontiguousarray(pairs[:, 0]), np.ascontiguousarray(pairs[:, 1])


def hex128(high: np.ndarray, low: np.ndarray) -> pa.Array:
    """The hashes as strings of 32 hex digits, [n]."""
    text = np.column_stack([high, low]).astype(">u8").tobytes().hex().encode()  # column_stack gives native order
    offsets = np.arange(0, 32 * len(high) + 1, 32, dtype=np.int32)
    return pa.StringArray.from_buffers(len(high), pa.py_buffer(offsets), pa.py_buffer(text))


def digest(tree: Mapping[str, Any] | Sequence[Any], digits: int = 16) -> str:
    """Hex digest of a JSON-able tree, the same whatever the order of its keys."""
    text = json.dumps(tree, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=digits // 2).hexdigest()
