"""Random draws that depend only on (seed, field, row), so any row can be generated without the rows before it.

The generated sample draws all its values by them; the real sample uses them to select a stable part of its rows. The
algorithm is SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014), written out
here so that no library's random stream can change it.

Common arguments: `seed` is the seed of the sample, `field` a name that makes draws for different purposes independent,
and `rows` the row numbers, uint64 [n].
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
    """Return 64 random bits for each row, uint64 [n]; they depend only on seed, `field` (name of the draw) and row."""
    z = rows * _GOLDEN
    z += _start(seed, field)
    z ^= z >> np.uint64(30)
    z *= _MIX1
    z ^= z >> np.uint64(27)
    z *= _MIX2
    z ^= z >> np.uint64(31)
    return z


def chance(seed: int, field: str, rows: Rows, share: float) -> Mask:
    """Return a boolean mask [n] that is True for about `share` (0 to 1) of the rows, at random."""
    if share >= 1:
        return np.ones(len(rows), bool)
    return draw(seed, field, rows) < np.uint64(int(share * 2**64))


def below(seed: int, field: str, rows: Rows, bound: int) -> Numbers:
    """Return a uniform random integer in [0, bound) for each row, int64 [n]."""
    return (draw(seed, field, rows) % np.uint64(bound)).astype(np.int64)


def skewed(seed: int, field: str, rows: Rows, bound: int) -> Numbers:
    """Return a random integer in [0, bound) for each row, small ones far more often; int64 [n].

    It models popularity: a few products get most of the sales.
    """
    unit = (draw(seed, field, rows) >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return np.minimum((unit * unit * unit * bound).astype(np.int64), bound - 1)


def pick(seed: int, field: str, rows: Rows, shares: tuple[float, ...]) -> Numbers:
    """Return the index of a random outcome for each row, int64 [n].

    Args:
        seed: Seed of the sample.
        field: Name of this random draw; draws of different names are independent.
        rows: Row numbers, uint64 [n].
        shares: Probabilities of the outcomes, which sum to 1.
    """
    limits = np.cumsum(np.array(shares[:-1]) * 2.0**64).astype(np.uint64)
    return np.searchsorted(limits, draw(seed, field, rows), side="right").astype(np.int64)


def earlier(seed: int, field: str, rows: Rows, excluded: Callable[[Rows], Mask]) -> Rows:
    """Return a random earlier row for each row, uint64 [n], such as the row whose text it repeats.

    Args:
        seed: Seed of the sample.
        field: Name of this random draw; draws of different names are independent.
        rows: Row numbers above 0, uint64 [n].
        excluded: Returns a mask of rows that must not be chosen; row 0 must be allowed.
    """
    source = draw(seed, field, rows) % rows
    todo = excluded(source)
    while todo.any():
        source[todo] = draw(seed, field + "+", source[todo]) % source[todo]
        todo = excluded(source)
    return source


def scramble(rows: Rows, seed: int, bits: int) -> Rows:
    """Permute the numbers [0, 2**bits) pseudo-randomly: different rows stay different, neighbours look unrelated.

    The bits of a scrambled row number choose the phrases of a generated review.

    Args:
        rows: Row numbers below 2**bits, uint64 [n].
        seed: Seed of the permutation.
        bits: An even number of bits.
    """
    mask, half = np.uint64(2**bits - 1), np.uint64(bits // 2)
    x = (rows + _start(seed, "scramble")) & mask
    for factor in (_GOLDEN, _MIX1, _MIX2):
        x = (x * factor) & mask
        x ^= x >> half
    return x


def names(prefix: str, numbers: Rows | Numbers) -> pa.Array:
    """Return ids made of a prefix and numbers, string [n] ("g-", [0, 1] -> "g-0", "g-1")."""
    return pc.binary_join_element_wise(prefix, pa.array(numbers).cast(pa.string()), "")


def nulled(values: pa.Array, missing: Mask) -> pa.Array:
    """Return `values` with null where `missing` is True, [n]."""
    return pc.if_else(pa.array(missing), pa.scalar(None, values.type), values)


def from_cents(cents: Numbers) -> pa.Array:
    """Convert whole cents to amounts of money without rounding, decimal128(12, 2) [n]."""
    return _decimals(cents, MONEY)


def price_from_thousandths(thousandths: Numbers) -> pa.Array:
    """Convert whole thousandths of the currency to unit prices without rounding, decimal128(15, 3) [n]."""
    return _decimals(thousandths, PRICE)


def _decimals(numbers: Numbers, kind: pa.DataType) -> pa.Array:
    words = np.empty((len(numbers), 2), np.int64)
    words[:, 0] = numbers
    words[:, 1] = numbers >> 63  # sign extension to 128 bits (two's complement)
    return pa.Array.from_buffers(kind, len(numbers), [None, pa.py_buffer(words)])


def from_seconds(seconds: Numbers) -> pa.Array:
    """Convert seconds since 1970 UTC to timestamps, timestamp[us, UTC] [n]."""
    return pa.array(seconds * 1_000_000).cast(TIMESTAMP)
