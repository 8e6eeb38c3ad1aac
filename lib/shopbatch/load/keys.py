"""Keys of loaded rows: made from the content where the file has none, and counted where it repeats some."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.core.hashing import hash128, hex128

Words = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.int64]


class Occurrences:
    """How often each 64-bit hash came before. Memory: 12 bytes for each different one.

    Sorted runs of growing size (a log-structured merge), so that a batch costs a few searches.
    """

    def __init__(self) -> None:
        self._runs: list[tuple[Words, Numbers]] = []

    def count(self, hashes: Words) -> Numbers:
        """For each row: how many rows before it, in this batch and all earlier ones, have its hash; int64 [n]."""
        distinct, inverse, counts = np.unique(hashes, return_inverse=True, return_counts=True)
        before = np.zeros(len(distinct), np.int64)
        for known, times in self._runs:
            place = np.minimum(np.searchsorted(known, distinct), len(known) - 1)
            before += np.where(known[place] == distinct, times[place], 0)
        order = np.argsort(inverse, kind="stable")
        within = np.empty(len(hashes), np.int64)
        within[order] = np.arange(len(hashes)) - np.repeat(np.cumsum(counts) - counts, counts)
        if len(hashes):
            self._add(distinct, counts)
        return before[inverse] + within

    def _add(self, distinct: Words, counts: Numbers) -> None:
        while self._runs and len(self._runs[-1][0]) <= 2 * len(distinct):
            known, times = self._runs.pop()
            both, inverse = np.unique(np.concatenate([known, distinct]), return_inverse=True)
            total = np.bincount(inverse, np.concatenate([times, counts])).astype(np.int64)
            distinct, counts = both, total
        self._runs.append((distinct, counts))


def made(columns: Mapping[str, pa.Array], seen: Occurrences) -> pa.Array:
    """Keys from content, string [n]: 128-bit hash of what is not null; `-2`, `-3`, ... for exact repetitions.

    A file loaded again gives the same keys. `seen` holds the file's earlier rows.
    """
    parts = [_framed(name, values) for name, values in sorted(columns.items())]
    high, low = hash128([pc.binary_join_element_wise(*parts, "")])
    nth, key = seen.count(low) + 1, hex128(high, low)
    numbered = pc.binary_join_element_wise(key, pa.array(nth).cast(pa.string()), "-")
    return pc.if_else(pa.array(nth == 1), key, numbered)


def repeated(key: Sequence[pa.Array], seen: Occurrences) -> int:
    """How many rows have the key of an earlier row (by 64-bit hash: one in 10**6 files of 5M rows counts one more)."""
    _, low = hash128([_exact(values) for values in key])
    return int(np.count_nonzero(seen.count(low)))


def _framed(name: str, values: pa.Array) -> pa.Array:
    """`name:bytes:value`, from which the value can be read back; null is nothing."""
    text = _exact(values).cast(pa.string())
    length = pc.binary_length(text).cast(pa.string())
    return pc.fill_null(pc.binary_join_element_wise(name, length, text, ":"), "")


def _exact(values: pa.Array) -> pa.Array:
    """Moments as numbers: as text they would depend on a time zone database."""
    return values.cast(pa.int64()) if pa.types.is_timestamp(values.type) else values
