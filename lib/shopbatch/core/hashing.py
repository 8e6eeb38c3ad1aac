"""Hashes the content of rows (the columns that a job's stage reads): one 128-bit BLAKE2b hash per row.

The memo (table of results) stores the result of a content under this hash. Two rows have the same hash if and only if
every column that the stage reads is equal, byte for byte; null differs from empty. The hash is cryptographic, so that
nobody can construct two different rows with one hash. It has no key, so that the same content has the same hash in
every warehouse.

The bytes that are hashed:

- A text or binary value is encoded as its bytes, every other flat value as the text to which Arrow casts it.
- A frame is `<number of bytes>:<encoded value>`, or `-1:` for a null.
- A row is encoded as the frames of its columns, joined by `:`.
- A list is encoded as the frames of its elements, in order, without separators.
- A struct is encoded as the frames of its fields, in the order of their names, without separators.
- A map is encoded as its entries without separators. An entry is the frame of the key, then the frame of the value;
  entries are sorted by these bytes.
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
CONTENT_HASH = "blake2b-128"  # part of every recipe, so that results of another hash are not reused
_BYTES = pa.large_binary()
_Digests = Callable[[memoryview, Sequence[int]], list[bytes]]


def hash128(columns: Sequence[pa.ChunkedArray | pa.Array]) -> tuple[np.ndarray, np.ndarray]:
    """Hash the rows of `columns` by BLAKE2b into the 128-bit content hashes that the memo stores.

    Args:
        columns: Columns of equal length [n]: text, binary, values that Arrow can cast to text, and lists, structs and
            maps of these.

    Returns:
        The high and the low 64-bit words of the hashes, uint64 [n] each.
    """
    return _words(_rows(columns), _blake2b)


def former_hash128(columns: Sequence[pa.ChunkedArray | pa.Array]) -> tuple[np.ndarray, np.ndarray]:
    """Hash the rows of `columns` by 128-bit XXH3, as versions of shopbatch before the change to BLAKE2b did.

    Used to find results that those versions stored, and to split training examples in the same way as they did.

    Returns:
        The high and the low 64-bit words of the hashes, uint64 [n] each.
    """
    return _words(_rows(columns), _xxh3)


def quick_hash(column: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """Hash the values of a column by a fast 64-bit hash, for comparisons within one run.

    Equal values have equal hashes. Different values may have the same hash, and anybody can construct such values. So
    callers use it only to find the few values that must then be compared exactly. Never store it: another version of
    Polars returns other hashes.

    Returns:
        uint64 [n].
    """
    import polars as pl  # heavy to import, and light commands use this module, too

    raw = _encode(column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column)
    return pl.Series(raw).hash(seed=7).to_numpy()


def _rows(columns: Sequence[pa.ChunkedArray | pa.Array]) -> pa.Array:
    """Encode each row of the columns into bytes: large_binary [n] without nulls (format: see the module)."""
    framed: list[pa.Array] = []
    for column in columns:
        raw = _encode(column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column)
        framed += [_lengths(raw), pc.fill_null(raw, b"")]
    return pc.binary_join_element_wise(*framed, pa.scalar(b":", _BYTES))


def _lengths(raw: pa.Array) -> pa.Array:
    """Return the number of bytes of each value as decimal text, "-1" for a null."""
    return pc.fill_null(pc.binary_length(raw), -1).cast(pa.string()).cast(_BYTES)


def _frames(raw: pa.Array) -> pa.Array:
    """Put each value into a frame `<number of bytes>:<value>`; a null becomes `-1:`."""
    return pc.binary_join_element_wise(_lengths(raw), pc.fill_null(raw, b""), pa.scalar(b":", _BYTES))


def _encode(values: pa.Array) -> pa.Array:
    """Encode each value of an array of any type into bytes: large_binary [n], null where the value is null."""
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
    """Encode structs: the frames of their fields, in the order of the fields' names."""
    fields = values.flatten()
    order = sorted(range(len(fields)), key=lambda i: values.type.field(i).name)
    if not fields:
        return pa.repeat(pa.scalar(b"", _BYTES), len(values))
    frames = [_frames(_encode(fields[i])) for i in order]
    return pc.binary_join_element_wise(*frames, pa.scalar(b"", _BYTES))


def _encode_list(values: pa.Array, is_map: bool) -> pa.Array:
    """Encode lists: the frames of their elements, in order.

    Args:
        values: An array of lists.
        is_map: Whether the lists are maps, whose elements are their entries; entries are sorted by their bytes.
    """
    lengths = pc.if_else(values.is_valid(), pc.list_value_length(values), 0).to_numpy()
    elements = _encode(pc.list_flatten(values))
    if is_map:  # an entry is never null, so that its two frames need no frame around them
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
    """Return True for the types string and binary, whose values are encoded as their bytes."""
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
    )


def _words(values: pa.Array, digests: _Digests) -> tuple[np.ndarray, np.ndarray]:
    """Hash each value of a large_binary array without nulls.

    Args:
        values: The values [n].
        digests: The hash function: `_blake2b` or `_xxh3`.

    Returns:
        The high and the low 64-bit words, uint64 [n] each.
    """
    if len(values) == 0:
        return np.empty(0, U64), np.empty(0, U64)
    _, offsets_buffer, data_buffer = values.buffers()
    ends = np.frombuffer(offsets_buffer, np.int64)[values.offset : values.offset + len(values) + 1].tolist()
    words = b"".join(digests(memoryview(data_buffer), ends))
    pairs = np.frombuffer(words, ">u8").reshape(-1, 2).astype(U64)
    return np.ascontiguousarray(pairs[:, 0]), np.ascontiguousarray(pairs[:, 1])


def _blake2b(data: memoryview, ends: Sequence[int]) -> list[bytes]:
    """Return the 16-byte BLAKE2b digest of each slice of `data` between two neighbouring offsets in `ends`.

    Copying a prepared hash object is faster than creating a new one for each value.
    """
    begin, digests = hashlib.blake2b(digest_size=16).copy, []
    for start, end in pairwise(ends):
        one = begin()
        one.update(data[start:end])
        digests.append(one.digest())
    return digests


def _xxh3(data: memoryview, ends: Sequence[int]) -> list[bytes]:
    """Return the 16-byte XXH3 digest of each slice of `data` between two neighbouring offsets in `ends`."""
    return [xxhash.xxh3_128_digest(data[start:end]) for start, end in pairwise(ends)]


def hex128(high: np.ndarray, low: np.ndarray) -> pa.Array:
    """Format hashes, given as high and low 64-bit words [n] each, as an array [n] of strings of 32 hex digits."""
    text = np.column_stack([high, low]).astype(">u8").tobytes().hex().encode()  # column_stack gives native order
    offsets = np.arange(0, 32 * len(high) + 1, 32, dtype=np.int32)
    return pa.StringArray.from_buffers(len(high), pa.py_buffer(offsets), pa.py_buffer(text))


def all_names(columns: Sequence[pa.ChunkedArray | pa.Array]) -> list[str]:
    """Return the hex hashes of rows, first by `hash128`, then by `former_hash128`: a list [2 n].

    Used to find everything that a warehouse stores about a row, whatever version stored it.
    """
    return [str(name) for hashed in (hash128, former_hash128) for name in hex128(*hashed(columns)).to_pylist()]


def digest(tree: Mapping[str, Any] | Sequence[Any], digits: int = 16) -> str:
    """Return the BLAKE2b digest of a JSON-able tree as `digits` hex digits; the order of keys does not matter."""
    text = json.dumps(tree, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=digits // 2).hexdigest()
