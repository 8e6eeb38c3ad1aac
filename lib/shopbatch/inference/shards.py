"""Splits rows into shards by the top bits of a hash, so that no process has to hold the index of the whole source."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import polars as pl
import pyarrow as pa

SHARD_ROWS = 524_288
MAX_SHARDS = 64


def shard_count(rows: int) -> int:
    """Choose the number of hash shards: a power of two up to MAX_SHARDS, for about SHARD_ROWS rows in each shard."""
    return min(MAX_SHARDS, 1 << max(0, (max(rows, 1) - 1) // SHARD_ROWS).bit_length())


def split(frame: pl.DataFrame, word: str, shards: int) -> list[pa.Table]:
    """Split rows into hash shards; within a shard the rows keep their order.

    Args:
        frame: The rows.
        word: Name of a hash column (uint64). Its top bits are the number of the row's shard.
        shards: Number of shards, a power of two.

    Returns:
        One table per shard.
    """
    if shards == 1:
        return [to_arrow(frame)]
    shift = 64 - (shards.bit_length() - 1)
    shard = (frame[word].to_numpy() >> np.uint64(shift)).astype(np.uint8)
    order = np.argsort(shard, kind="stable")
    bounds = np.searchsorted(shard[order], np.arange(shards + 1))
    ordered = frame[order]
    return [to_arrow(ordered[a:b]) for a, b in pairwise(bounds.tolist())]


def gather(tables: Sequence[pa.Table]) -> pl.DataFrame:
    """Stack tables with the same columns into one frame."""
    return pl.concat([pl.DataFrame(t) for t in tables])


def numbered(tables: Sequence[pa.Table]) -> pl.DataFrame:
    """Stack tables, one per part of the source, into one frame with the part's number as column `part` (uint32)."""
    return pl.concat(
        [pl.DataFrame(t).with_columns(pl.lit(i, dtype=pl.UInt32).alias("part")) for i, t in enumerate(tables)]
    )


def to_arrow(frame: pl.DataFrame) -> pa.Table:
    """Convert a Polars frame to an Arrow table with Arrow's older types, which Parquet and the table schemas use.

    For example, text becomes `large_string` and not `string_view`.
    """
    return frame.to_arrow(compat_level=pl.CompatLevel.oldest())
