"""Random draws that depend only on (seed, field, row), so any row can be made without the rows before it.

The real sample uses them too, to choose a stable part of its rows. The arithmetic is that of SplitMix64 (Steele, Lea
and Flood, "Fast splittable pseudorandom number generators", 2014), so that no library's random stream can change it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.tables.schema import MONEY, PRICE, TIMESTAMP

Rows = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX2 = np.uint64(0x94D049BB133111EB)


@lru_cache(maxsize=1024)
def _start(seed: int, field: str) -> np.uint64:
    return np.uint64(int.from_bytes(hashlib.blake2b(f"{seed}/{field}".encode(), digest_size=8).digest(), "little"))


def draw(seed: int, field: str, rows: Rows) -> Rows:
    """64 random bits for each row number, uint64 [n]."""
    z = rows * _GOLDEN
    z += _start(seed, field)
    z ^= z >> np.uint64(30)
    z *= _MIX1
    z ^= z >> np.uint64(27)
    z *= _MIX2
    z ^= z >> np.uint64(31)
    return z


def chance(seed: int, field: str, rows: Rows, share: float) -> Mask:
    """True for about `share` (0 to 1) of the rows."""
    if share >= 1:
        return np.ones(len(rows), bool)
    return draw(seed, field, rows) < np.uint64(int(share * 2**64))


def below(seed: int, field: str, rows: Rows, bound: int) -> Numbers:
    """Whole numbers in [0, bound), int64 [n]."""
    return (draw(seed, field, rows) % np.uint64(bound)).astype(np.int64)


def skewed(seed: int, field: str, rows: Rows, bound: int) -> Numbers:
    """Whole numbers in [0, bound), small ones far more often, as a few products get most of the sales; int64 [n]."""
    unit = (draw(seed, field, rows) >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return np.minimum((unit * unit * unit * bound).astype(np.int64), bound - 1)


def pick(seed: int, field: str, rows: Rows, shares: tuple[float, ...]) -> Numbers:
    """The outcome of each row, given the shares of the outcomes (which sum to 1); int64 [n]."""
    limits = np.cumsum(np.array(shares[:-1]) * 2.0**64).astype(np.uint64)
    return np.searchsorted(limits, draw(seed, field, rows), side="right").astype(np.int64)


def earlier(seed: int, field: str, rows: Rows, excluded: Callable[[Rows], Mask]) -> Rows:
    """For each row (> 0) an earlier row that is not excluded. Row 0 must not be excluded."""
    source = draw(seed, field, rows) % rows
    todo = excluded(source)
    while todo.any():
        source[todo] = draw(seed, field + "+", source[todo]) % source[todo]
        todo = excluded(source)
    return source


def scramble(rows: Rows, seed: int, bits: int) -> Rows:
    """A bijection of [0, 2**bits) (bits even): different rows stay different, neighbours look unrelated."""
    mask, half = np.uint64(2**bits - 1), np.uint64(bits // 2)
    x = (rows + _start(seed, "scramble")) & mask
    for factor in (_GOLDEN, _MIX1, _MIX2):
        x = (x * factor) & mask
        x ^= x >> half
    return x


def names(prefix: str, numbers: Rows | Numbers) -> pa.Array:
    """`<prefix><number>`, string [n]."""
    return pc.binary_join_element_wise(prefix, pa.array(numbers).cast(pa.string()), "")


def nulled(values: pa.Array, missing: Mask) -> pa.Array:
    """`values` with null where `missing`."""
    return pc.if_else(pa.array(missing), pa.scalar(None, values.type), values)


def from_cents(cents: Numbers) -> pa.Array:
    """Money from whole cents, exactly: decimal128(12, 2) [n]."""
    return _decimals(cents, MONEY)


def price_from_thousandths(thousandths: Numbers) -> pa.Array:
    """Prices of a unit from whole thousandths of the currency, exactly: decimal128(15, 3) [n]."""
    return _decimals(thousandths, PRICE)


def _decimals(numbers: Numbers, kind: pa.DataType) -> pa.Array:
    words = np.empty((len(numbers), 2), np.int64)
    words[:, 0] = numbers
    words[:, 1] = numbers >> 63  # the sign, as in a 128-bit two's complement
    return pa.Array.from_buffers(kind, len(numbers), [None, pa.py_buffer(words)])


def from_seconds(seconds: Numbers) -> pa.Array:
    """Times from seconds since 1970 UTC: timestamp[us, UTC] [n]."""
    return pa.array(seconds * 1_000_000).cast(TIMESTAMP)
