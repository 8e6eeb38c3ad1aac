"""A fast search for ASCII signs in a column of texts; `visible` uses it to find texts with HTML.

A regular expression takes many times as long.
"""

from __future__ import annotations

from functools import reduce

import numpy as np
import pyarrow as pa

_PIECE = 1 << 18  # bytes that are compared at once; small enough for the processor's caches


def holds_any(texts: pa.Array | pa.ChunkedArray, signs: bytes) -> pa.Array:
    """Return a mask of the texts that contain at least one of some ASCII characters.

    Args:
        texts: string or large_string [n].
        signs: The ASCII characters, such as b"<&".

    Returns:
        bool [n] without nulls; the value at a null text has no meaning.
    """
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
    mask = np.zeros(len(texts), bool)
    _, offsets, data = texts.buffers()
    if len(texts) and data is not None:
        kind = np.int64 if pa.types.is_large_string(texts.type) else np.int32
        ends = np.frombuffer(offsets, kind)[texts.offset : texts.offset + len(texts) + 1]
        read = np.frombuffer(data, np.uint8)
        for start in range(int(ends[0]), int(ends[-1]), _PIECE):
            piece = read[start : min(start + _PIECE, int(ends[-1]))]
            places = np.flatnonzero(reduce(np.bitwise_or, (piece == sign for sign in signs)))
            mask[np.searchsorted(ends, places + start, side="right") - 1] = True
    return pa.array(mask)
