"""The source snapshot as parts, each row's content and key hashed, and the rows that can not be scored marked.

Called by `run.py`. The tasks return hashes, positions and reasons, never text; what they return is split by the
top bits of the hash, so that no process ever holds the whole index.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import ray

from shopbatch.core.hashing import hash128
from shopbatch.inference.spec import Spec
from shopbatch.warehouse import files
from shopbatch.warehouse.files import FileRef
from shopbatch.warehouse.store import Snapshot

PART_ROWS = 262_144
SHARD_ROWS = 524_288
MAX_SHARDS = 64
Refs = list[Any]  # object references: one a shard, or one a part


@dataclass(frozen=True)
class Slice:
    """Some row groups of one file. first_row: position in the file of the first of them."""

    file: FileRef
    groups: tuple[tuple[int, int], ...]  # (row group, its rows)
    first_row: int

    @property
    def rows(self) -> int:
        return sum(rows for _, rows in self.groups)


@dataclass(frozen=True)
class Part:
    """The unit of work: about PART_ROWS rows, of one or several files. A row's position counts through its slices."""

    number: int
    slices: tuple[Slice, ...]

    @property
    def rows(self) -> int:
        return sum(s.rows for s in self.slices)


def plan_parts(snapshot: Snapshot) -> list[Part]:
    """The snapshot's rows in file order, small files together, large ones cut between row groups."""
    parts: list[list[Slice]] = [[]]
    filled = 0
    for file in snapshot.files:
        groups: list[tuple[int, int]] = []
        first = seen = 0
        for group in enumerate(files.row_group_rows(file.uri)):
            if filled and filled + group[1] > PART_ROWS:
                if groups:
                    parts[-1].append(Slice(file, tuple(groups), first))
                groups, first, filled = [], seen, 0
                parts.append([])
            groups.append(group)
            filled += group[1]
            seen += group[1]
        if groups:
            parts[-1].append(Slice(file, tuple(groups), first))
    return [Part(i, tuple(s)) for i, s in enumerate(p for p in parts if p)]


def shard_count(rows: int) -> int:
    """How many hash shards: a power of two, about SHARD_ROWS rows each."""
    return min(MAX_SHARDS, 1 << max(0, (max(rows, 1) - 1) // SHARD_ROWS).bit_length())


def split(frame: pl.DataFrame, word: str, shards: int) -> list[pa.Table]:
    """The rows of `frame` by the top bits of column `word` (uint64), `shards` tables, order kept within each."""
    if shards == 1:
        return [frame.to_arrow(compat_level=pl.CompatLevel.oldest())]
    shift = 64 - (shards.bit_length() - 1)
    shard = (frame[word].to_numpy() >> np.uint64(shift)).astype(np.uint8)
    order = np.argsort(shard, kind="stable")
    bounds = np.searchsorted(shard[order], np.arange(shards + 1))
    ordered = frame[order]
    return [ordered[a:b].to_arrow(compat_level=pl.CompatLevel.oldest()) for a, b in pairwise(bounds.tolist())]


def gather(tables: Sequence[pa.Table]) -> pl.DataFrame:
    """The tables below each other, as one frame."""
    return pl.concat([pl.DataFrame(t) for t in tables])


@ray.remote
def index_part(spec: Spec, schema: pa.Schema, part: Part, shards: int) -> list[pa.Table]:
    """[local, key piece of shard 0, 1, ...].

    local: hi, lo, khi, klo (uint64: content and key hash) and reason (string, null: can be scored), a row a row.
    key piece: khi, klo, latest (int64), pos (uint32) of the rows that have a key.
    """
    frames, first = [], 0
    columns = pa.schema([schema.field(c) for c in dict.fromkeys((spec.key, *spec.stage.content, *_latest(spec)))])
    for piece in part.slices:
        for group, rows in piece.groups:
            data = files.read(piece.file.uri, columns, piece.file.partition, [group])
            frames.append(_index(spec, data, first))
            first += rows
    index = pl.concat(frames)
    local = index.select("hi", "lo", "khi", "klo", "reason").to_arrow(compat_level=pl.CompatLevel.oldest())
    keyed = index.filter(pl.col("reason").ne_missing("no_key")).select("khi", "klo", "latest", "pos")
    return [local, *split(keyed, "khi", shards)]


def _latest(spec: Spec) -> tuple[str, ...]:
    return (spec.source.latest_by,) if spec.source.latest_by else ()


def _index(spec: Spec, data: pa.Table, first: int) -> pl.DataFrame:
    content = data.select(list(spec.stage.content))
    high, low = hash128(content.columns)
    key_high, key_low = hash128([data[spec.key]])
    latest = np.zeros(len(data), np.int64)
    if spec.source.latest_by:
        moments = data[spec.source.latest_by].cast(pa.int64())
        latest = moments.fill_null(np.iinfo(np.int64).min).to_numpy()
    reason = pl.Series("reason", spec.stage.check(content), dtype=pl.String)
    no_key = pl.Series(_without_name(data[spec.key]))
    frame = pl.DataFrame({"hi": high, "lo": low, "khi": key_high, "klo": key_low, "latest": latest})
    position = pl.Series("pos", np.arange(first, first + len(data), dtype=np.uint32))
    return frame.with_columns(
        pl.when(no_key).then(pl.lit("no_key")).otherwise(reason).alias("reason"),
        position,
    )


def _without_name(keys: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    """Where a key is null or not valid UTF-8: nobody could ask for such a row."""
    broken = files.invalid_utf8(keys)
    return keys.is_null() if broken is None else pc.or_(keys.is_null(), broken)


@ray.remote
def find_losers(*pieces: pa.Table) -> list[Any]:
    """[number of losers, positions (uint32) in part 0, 1, ... of the rows whose key a later row has too].

    pieces: one shard's key pieces, a part each. The greatest `latest` wins, then the later row.
    """
    keys = pl.concat(
        [pl.DataFrame(p).with_columns(pl.lit(i, dtype=pl.UInt32).alias("part")) for i, p in enumerate(pieces)]
    )
    twice = keys.filter(pl.col("khi").is_duplicated())  # few rows: the exact work is done on these alone
    losers = (
        twice.sort(["latest", "part", "pos"])
        .with_columns(pl.int_range(pl.len()).over("khi", "klo").alias("nth"), pl.len().over("khi", "klo").alias("of"))
        .filter(pl.col("nth") < pl.col("of").cast(pl.Int64) - 1)
    )
    return [len(losers), *(losers.filter(pl.col("part") == i)["pos"].to_numpy() for i in range(len(pieces)))]


@ray.remote
def settle_part(local: pa.Table, shards: int, *losers: np.ndarray) -> list[Any]:
    """[counts by reason, local with `duplicate_key` marked, content piece of shard 0, 1, ...].

    content piece: hi, lo (uint64), pos (uint32) of the rows that can be scored.
    """
    frame = pl.DataFrame(local).with_row_index("pos")
    lost = np.concatenate([np.asarray(x, np.uint32) for x in losers])
    if len(lost):
        mark = np.zeros(len(frame), bool)
        mark[lost] = True
        frame = frame.with_columns(
            pl.when(pl.Series(mark)).then(pl.lit("duplicate_key")).otherwise(pl.col("reason")).alias("reason")
        )
    counts = dict(frame.drop_nulls("reason").group_by("reason").len().iter_rows())
    scored = frame.filter(pl.col("reason").is_null()).select("hi", "lo", "pos")
    local = frame.drop("pos").to_arrow(compat_level=pl.CompatLevel.oldest())
    return [counts, local, *split(scored, "hi", shards)]


@dataclass(frozen=True)
class Index:
    """The indexed source. locals: one reference a part. pieces[part][shard]. reasons: rows by reason."""

    parts: list[Part]
    shards: int
    locals: Refs
    pieces: list[Refs]
    reasons: dict[str, int]


def build_index(spec: Spec, snapshot: Snapshot) -> Index:
    """Hash the snapshot's rows, resolve duplicate keys, and split the contents by shard."""
    parts, shards = plan_parts(snapshot), shard_count(snapshot.rows)
    schema = snapshot.select(spec.columns)
    first = [index_part.options(num_returns=1 + shards).remote(spec, schema, p, shards) for p in parts]
    losers = [
        find_losers.options(num_returns=1 + len(parts)).remote(*(f[1 + s] for f in first)) if parts else []
        for s in range(shards)
    ]
    settled = [
        settle_part.options(num_returns=2 + shards).remote(
            first[p][0], shards, *(losers[s][1 + p] for s in range(shards))
        )
        for p in range(len(parts))
    ]
    reasons: dict[str, int] = {}
    for counts in ray.get([s[0] for s in settled]):
        for reason, rows in counts.items():
            reasons[reason] = reasons.get(reason, 0) + rows
    return Index(parts, shards, [s[1] for s in settled], [s[2:] for s in settled], reasons)
