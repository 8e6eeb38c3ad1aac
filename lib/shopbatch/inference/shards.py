"""Splits rows by the top bits of a hash, so that no process ever holds the index of the whole source."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import polars as pl
import pyarrow as pa

SHARD_ROWS = 524_288
MAX_SHARDS = 64


def shard_count(rows: int) -> int:
    """Choose how many hash shards there are: a power of two, about SHARD_ROWS rows each."""
    return min(MAX_SHARDS, 1 << max(0, (max(rows, 1) - 1) // SHARD_ROWS).bit_length())


def split(frame: pl.DataFrame, word: str, shards: int) -> list[pa.Table]:
    """Split the rows of `frame` by the top bits of column `word` (uint64) into `shards` tables, order kept in each."""
    if shards == 1:
        return [to_arrow(frame)]
    shift = 64 - (shards.bit_length() - 1)
    shard = (frame[word].to_numpy() >> np.uint64(shift)).astype(np.uint8)
    order = np.argsort(shard, kind="stable")
    bounds = np.searchsorted(shard[order], np.arange(shards + 1))
    ordered = frame[order]
    return [to_arrow(ordered[a:b]) for a, b in pairwise(bounds.tolist())]


def gather(tables: Sequence[pa.Table]) -> pl.DataFrame:
    """Stack tables into one frame."""
    return pl.concat([pl.DataFrame(t) for t in tables])


def numbered(tables: Sequence[pa.Table]) -> pl.DataFrame:
    """Stack one table per part into one frame, with the part's number as column `part` (uint32)."""
    return pl.concat(
        [pl.DataFrame(t).with_columns(pl.lit(i, dtype=pl.UInt32).alias("part")) for i, t in enumerate(tables)]
    )


def to_arrow(frame: pl.DataFrame) -> pa.Table:
    """Convert a frame to a table of Arrow's older types, which Parquet and the schemas of tables use."""
    return frame.to_arrow(compat_level=pl.CompatLevel.oldest())
