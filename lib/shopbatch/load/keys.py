"""Keys of loaded rows: makes them from the rows' content if the file has none, and counts keys that a file repeats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.core.hashing import hash128, hex128

Hashes = npt.NDArray[np.uint64]
Counts = npt.NDArray[np.int64]


class Occurrences:
    """Counts over all batches of a file how often each 64-bit hash has occurred. Memory: 16 bytes per distinct hash.

    It keeps sorted runs of growing size (a log-structured merge), so that a batch costs a few binary searches.
    """

    def __init__(self) -> None:
        self._runs: list[tuple[Hashes, Counts]] = []

    def count(self, hashes: Hashes) -> Counts:
        """Return for each row how many rows before it, in this or an earlier batch, have the same hash; int64 [n].

        The rows are remembered for the next call.

        Args:
            hashes: The hashes of the rows, uint64 [n].
        """
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

    def _add(self, distinct: Hashes, counts: Counts) -> None:
        """Add the counts of distinct hashes as a sorted run, merged with the shorter runs at the end."""
        while self._runs and len(self._runs[-1][0]) <= 2 * len(distinct):
            known, times = self._runs.pop()
            both, inverse = np.unique(np.concatenate([known, distinct]), return_inverse=True)
            total = np.bincount(inverse, np.concatenate([times, counts])).astype(np.int64)
            distinct, counts = both, total
        self._runs.append((distinct, counts))


def from_content(columns: Mapping[str, pa.Array], seen: Occurrences) -> pa.Array:
    """Make keys for rows of a file without a key column: 32 hex digits of the hash of their non-null values.

    Exact repetitions get `-2`, `-3`, ... appended. A file that is loaded again gives the same keys.

    Args:
        columns: The rows, as values [n] by column name.
        seen: Counts of the content hashes of the file's earlier rows; these rows are added to them.

    Returns:
        The keys, string [n].
    """
    parts = [_name_and_value(name, values) for name, values in sorted(columns.items())]
    high, low = hash128([pc.binary_join_element_wise(*parts, "")])
    nth, key = seen.count(low) + 1, hex128(high, low)
    numbered = pc.binary_join_element_wise(key, pa.array(nth).cast(pa.string()), "-")
    return pc.if_else(pa.array(nth == 1), key, numbered)


def count_repeated(key: Sequence[pa.Array], seen: Occurrences) -> int:
    """Return the number of rows that have the key of an earlier row of the file.

    Keys are compared by 64-bit hash, so that about one in 10**6 files of 5 million rows counts one row too many.

    Args:
        key: The key columns, [n] each.
        seen: Counts of the key hashes of the file's earlier rows; these rows are added to them.
    """
    _, low = hash128([_exact(values) for values in key])
    return int(np.count_nonzero(seen.count(low)))


def _name_and_value(name: str, values: pa.Array) -> pa.Array:
    """Encode each value as `name:length:value` (length in bytes), or "" for null.

    Thus different rows never give the same text when their values are joined.
    """
    text = _text(values)
    length = pc.binary_length(text).cast(pa.string())
    return pc.fill_null(pc.binary_join_element_wise(name, length, text, ":"), "")


def _text(values: pa.Array) -> pa.Array:
    """Convert values to text; lists, structs and maps become the hex digits of the hash of their content."""
    if not pa.types.is_nested(values.type):
        return _exact(values).cast(pa.string())
    return pc.if_else(values.is_valid(), hex128(*hash128([values])), pa.scalar(None, pa.string()))


def _exact(values: pa.Array) -> pa.Array:
    """Convert timestamps to integers, because their text would depend on a time zone database; others stay."""
    return values.cast(pa.int64()) if pa.types.is_timestamp(values.type) else values
