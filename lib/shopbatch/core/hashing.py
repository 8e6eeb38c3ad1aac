"""The name of a row's content: a 128-bit BLAKE2b hash over its length-prefixed columns. Called by tasks, never by jobs.

Two rows have one hash if and only if every column that the stage reads is equal, byte for byte; null is not empty. The
hash is a cryptographic one, so that nobody can write two different rows with one hash. It has no key, so that two
warehouses name one content alike.

Encoding of a value: text and binary are their bytes, every other flat value is its text as Arrow casts it. A frame is
`<bytes>:<encoding>`, or `-1:` for a null. A row is its columns' frames, joined by `:`. The encoding of a nested value
is a sequence of frames without separators:

- list: the frames of its elements, in order;
- struct: the frames of its fields, in the order of their names;
- map: for each entry the frame of the key and that of the value; entries are in the order of these bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

U64 = np.uint64
CONTENT_HASH = "blake2b-128"  # part of every recipe: results that are named by another hash are another recipe's
_BYTES = pa.large_binary()
_Digests = Callable[[memoryview, Sequence[int]], list[bytes]]


def hash128(columns: Sequence[pa.ChunkedArray | pa.Array]) -> tuple[np.ndarray, np.ndarray]:
    """Hash the rows of `columns`.

    Args:
        columns: Columns of equal length [n]: text, binary, what Arrow can cast to text, and lists, structs and maps
            of these.

    Returns:
        The high and the low 64-bit words, uint64 [n] each.
    """
    return _words(_rows(columns), _blake2b)


def former_hash128(columns: Sequence[pa.ChunkedArray | pa.Array]) -> tuple[np.ndarray, np.ndarray]:
    """Hash the rows of `columns` by XXH3, as versions before BLAKE2b did.

    It finds what these have stored, and splits examples as they did.
    """
    return _words(_rows(columns), _xxh3)


def quick_hash(column: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """Hash the values of a column within one run, many times as fast as `hash128`: equal values have equal hashes.

    Different values may have one hash, and anybody can make up such values; another version of Polars hashes otherwise.
    So it finds the few values to be compared exactly, and is never stored.

    Returns:
        uint64 [n].
    """
    import polars as pl  # imported here because it is heavy, and light commands hash, too

    raw = _encode(column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column)
    return pl.Series(raw).hash(seed=7).to_numpy()


def _rows(columns: Sequence[pa.ChunkedArray | pa.Array]) -> pa.Array:
    """Encode each row: large_binary [n] without nulls."""
    framed: list[pa.Array] = []
    for column in columns:
        raw = _encode(column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column)
        framed += [_lengths(raw), pc.fill_null(raw, b"")]
    return pc.binary_join_element_wise(*framed, pa.scalar(b":", _BYTES))


def _lengths(raw: pa.Array) -> pa.Array:
    """The number of bytes of each value as text, -1 for a null."""
    return pc.fill_null(pc.binary_length(raw), -1).cast(pa.string()).cast(_BYTES)


def _frames(raw: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(_lengths(raw), pc.fill_null(raw, b""), pa.scalar(b":", _BYTES))


def _encode(values: pa.Array) -> pa.Array:
    """Encode each value: large_binary, null where the value is null."""
    kind = values.type
    if isinstance(kind, pa.ExtensionType):
        return _encode(values.storage)
    if pa.types.is_dictionary(kind) and kind.value_type.num_fields:
        return _encode(values.dictionary_decode())
    if pa.types.is_struct(kind):
        encoded = _encode_struct(values)
    elif pa.types.is_map(kind):
        entry = pa.struct([pa.field("key", kind.key_type, nullable=False), pa.field("value", kind.item_type)])
        encoded = _encode_list(values.cast(pa.large_list(entry)), is_map=True)
    elif kind.num_fields:
        encoded = _encode_list(values, is_map=False)
    else:
        return (values if _is_text(kind) else values.cast(pa.string())).cast(_BYTES)
    return pc.if_else(values.is_valid(), encoded, pa.scalar(None, _BYTES))


def _encode_struct(values: pa.Array) -> pa.Array:
    fields = values.flatten()
    order = sorted(range(len(fields)), key=lambda i: values.type.field(i).name)
    if not fields:
        return pa.repeat(pa.scalar(b"", _BYTES), len(values))
    frames = [_frames(_encode(fields[i])) for i in order]
    return pc.binary_join_element_wise(*frames, pa.scalar(b"", _BYTES))


def _encode_list(values: pa.Array, is_map: bool) -> pa.Array:
    """values: lists of any kind. is_map: their elements are the entries of maps."""
    lengths = pc.if_else(values.is_valid(), pc.list_value_length(values), 0).to_numpy()
    elements = _encode(pc.list_flatten(values))
    if is_map:  # an entry is never null, and its two frames need none around them
        rows = pa.array(np.repeat(np.arange(len(values)), lengths))
        order = pc.sort_indices(
            pa.table({"row": rows, "entry": elements}), sort_keys=[("row", "ascending"), ("entry", "ascending")]
        )
        frames = elements.take(order)
    else:
        frames = _frames(elements)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    lists = pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), frames)
    return pc.binary_join(lists, pa.scalar(b"", _BYTES))


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
    )


def _words(values: pa.Array, digests: _Digests) -> tuple[np.ndarray, np.ndarray]:
    """Return the hash of each value of a large_binary array without nulls, as high and low words."""
    if len(values) == 0:
        return np.empty(0, U64), np.empty(0, U64)
    _, offsets_buffer, data_buffer = values.buffers()
    ends = np.frombuffer(offsets_buffer, np.int64)[values.offset : values.offset + len(values) + 1].tolist()
    words = b"".join(digests(memoryview(data_buffer), ends))
    pairs = np.frombuffer(words, ">u8").reshape(-1, 2).astype(U64)
    return np.ascontiguousarray(pairs[:, 0]), np.ascontiguousarray(pairs[:, 1])


def _blake2b(data: memoryview, ends: Sequence[int]) -> list[bytes]:
    """Hash the values between these ends. To copy a hash that has begun is faster than to begin one."""
    begin, digests = hashlib.blake2b(digest_size=16).copy, []
    for start, end in pairwise(ends):
        one = begin()
        one.update(data[start:end])
        digests.append(one.digest())
    return digests


def _xxh3(data: memoryview, ends: Sequence[int]) -> list[bytes]:
    return [xxhash.xxh3_128_digest(data[start:end]) for start, end in pairwise(ends)]


def hex128(high: np.ndarray, low: np.ndarray) -> pa.Array:
    """Write the hashes as strings of 32 hex digits, [n]."""
    text = np.column_stack([high, low]).astype(">u8").tobytes().hex().encode()  # column_stack gives native order
    offsets = np.arange(0, 32 * len(high) + 1, 32, dtype=np.int32)
    return pa.StringArray.from_buffers(len(high), pa.py_buffer(offsets), pa.py_buffer(text))


def all_names(columns: Sequence[pa.ChunkedArray | pa.Array]) -> list[str]:
    """Return what the rows of `columns` are called in a warehouse: their hashes, and those of older versions, [2 n]."""
    return [str(name) for hashed in (hash128, former_hash128) for name in hex128(*hashed(columns)).to_pylist()]


def digest(tree: Mapping[str, Any] | Sequence[Any], digits: int = 16) -> str:
    """Digest a JSON-able tree as hex digits; the order of keys does not matter."""
    text = json.dumps(tree, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=digits // 2).hexdigest()
