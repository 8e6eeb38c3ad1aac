"""Indexes the source table: hashes content and key of each row, and marks the rows that cannot be scored.

`run.py` calls `build_index`. The Ray tasks return hashes, positions and reasons, never text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.core.hashing import hash128, quick_hash
from shopbatch.inference.parts import Part, plan_parts
from shopbatch.inference.refs import ObjectRef, ObjectRefs, Scattered, fetch, scatter
from shopbatch.inference.shards import gather, numbered, shard_count, split, to_arrow
from shopbatch.inference.spec import Spec
from shopbatch.warehouse.store import Snapshot
from shopbatch.warehouse.utf8 import invalid_utf8


def index_part(spec: Spec, schema: pa.Schema, part: Part, shards: int) -> list[pa.Table]:
    """Hash and check the rows of one part of the source.

    Args:
        spec: The inference job.
        schema: The source columns that the job reads.
        part: The part.
        shards: Number of hash shards.

    Returns:
        [rows, keys of shard 0, of shard 1, ...]. `rows` has one row per source row: hi, lo (uint64, the content hash)
        and reason (string: why the row cannot be scored; null: it can). `keys` has the rows with a key: quick (uint64,
        `quick_hash` of the key), latest (int64, the value of the `latest_by` column) and pos (uint32, the position).
    """
    latest = (spec.source.latest_by,) if spec.source.latest_by else ()
    columns = pa.schema([schema.field(c) for c in dict.fromkeys((spec.key, *spec.stage.content, *latest))])
    index = pl.concat([_index(spec, data, where.start) for where, data in part.read(columns)])
    keyed = index.filter(pl.col("reason").ne_missing("no_key")).select("quick", "latest", "pos")
    return [to_arrow(index.select("hi", "lo", "reason")), *split(keyed, "quick", shards)]


def _index(spec: Spec, data: pa.Table, first: int) -> pl.DataFrame:
    """Return the index of some rows (hi, lo, quick, latest, reason, pos); `first` is the position of the first row."""
    content = data.select(list(spec.stage.content))
    high, low = hash128(content.columns)
    quick = quick_hash(data[spec.key])
    latest = np.zeros(len(data), np.int64)
    if spec.source.latest_by:
        moments = data[spec.source.latest_by].cast(pa.int64())
        latest = moments.fill_null(np.iinfo(np.int64).min).to_numpy()
    reason = pl.Series("reason", spec.stage.check(content), dtype=pl.String)
    no_key = pl.Series(_has_no_key(data[spec.key]))
    frame = pl.DataFrame({"hi": high, "lo": low, "quick": quick, "latest": latest})
    position = pl.Series("pos", np.arange(first, first + len(data), dtype=np.uint32))
    return frame.with_columns(
        pl.when(no_key).then(pl.lit("no_key")).otherwise(reason).alias("reason"),
        position,
    )


def _has_no_key(keys: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    """Return a boolean mask [n]: True where the key is null or invalid UTF-8, so that nobody could look it up."""
    broken = invalid_utf8(keys)
    return keys.is_null() if broken is None else pc.or_(keys.is_null(), broken)


def find_repeats(*pieces: pa.Table) -> list[Any]:
    """Find the rows of one shard that may share their key with another row, because their quick hashes are equal.

    Args:
        pieces: The keys of one shard (see `index_part`), one table per part.

    Returns:
        [number of these rows, rows of part 0, of part 1, ...]. The rows have the columns pos and latest.
    """
    keys = numbered(pieces)
    repeats = keys.filter(pl.col("quick").is_duplicated())
    of_parts = (repeats.filter(pl.col("part") == i).select("pos", "latest") for i in range(len(pieces)))
    return [len(repeats), *map(to_arrow, of_parts)]


def name_keys(spec: Spec, schema: pa.Schema, part: Part, shards: int, *repeats: pa.Table) -> list[Any]:
    """Hash the keys of some rows of a part with BLAKE2b, so that nobody can make up two keys with one hash.

    Args:
        spec: The inference job.
        schema: The source columns that the job reads.
        part: The part.
        shards: Number of shards of the result.
        repeats: The rows (pos, latest), one table per shard of `find_repeats`.

    Returns:
        [number of rows, keys of shard 0, of shard 1, ...]. Keys have the columns khi, klo (uint64, the key's hash),
        latest and pos.
    """
    rows = gather(repeats).sort("pos")
    column = pa.schema([schema.field(spec.key)])
    read = part.read(column, rows["pos"].to_numpy())
    high, low = hash128([pa.concat_tables([column.empty_table(), *(data for _, data in read)])[spec.key]])
    named = rows.with_columns(pl.Series("khi", high), pl.Series("klo", low))
    return [len(named), *split(named, "khi", shards)]


def find_losers(*pieces: pa.Table) -> list[Any]:
    """Find the rows that are replaced by another row with the same key.

    The row with the greatest `latest` is kept; among equal ones, the later row in the source.

    Args:
        pieces: The keys of one shard, as `name_keys` returns them, one table per part.

    Returns:
        [number of replaced rows, their positions (uint32) in part 0, in part 1, ...].
    """
    order = numbered(pieces).sort(["latest", "part", "pos"])
    losers = order.filter(pl.int_range(pl.len()).over("khi", "klo") < pl.len().over("khi", "klo").cast(pl.Int64) - 1)
    return [len(losers), *(losers.filter(pl.col("part") == i)["pos"].to_numpy() for i in range(len(pieces)))]


def settle_part(rows: pa.Table, shards: int, *losers: np.ndarray) -> list[Any]:
    """Finish the index of one part: mark the replaced rows as `duplicate_key`, and split the other contents by shard.

    Args:
        rows: The part's rows, as `index_part` returns them.
        shards: Number of hash shards.
        losers: Positions of the part's replaced rows, one array per shard of `find_losers`.

    Returns:
        [{reason: number of rows}, rows, contents of shard 0, of shard 1, ...]. `rows` is the argument with the new
        reasons. Contents are the rows that can be scored: hi, lo (uint64) and pos (uint32).
    """
    frame = pl.DataFrame(rows).with_row_index("pos")
    lost = np.concatenate([np.empty(0, np.uint32), *losers])
    if len(lost):
        mark = np.zeros(len(frame), bool)
        mark[lost] = True
        frame = frame.with_columns(
            pl.when(pl.Series(mark)).then(pl.lit("duplicate_key")).otherwise(pl.col("reason")).alias("reason")
        )
    counts = dict(frame.drop_nulls("reason").group_by("reason").len().iter_rows())
    scored = frame.filter(pl.col("reason").is_null()).select("hi", "lo", "pos")
    return [counts, to_arrow(frame.drop("pos")), *split(scored, "hi", shards)]


class _Settled(NamedTuple):
    """References to the values that `settle_part` returned for one part."""

    counts: ObjectRef
    rows: ObjectRef
    contents: ObjectRefs


@dataclass(frozen=True)
class Index:
    """The index of the source: for each row its content hash, or the reason why it cannot be scored.

    Attributes:
        parts: The parts of the source.
        shards: Number of hash shards.
        rows: For each part a reference to its rows (hi, lo, reason), see `settle_part`.
        pieces: pieces[part][shard]: references to the contents that can be scored (hi, lo, pos).
        reasons: Number of rows that cannot be scored, by reason.
    """

    parts: list[Part]
    shards: int
    rows: ObjectRefs
    pieces: list[ObjectRefs]
    reasons: dict[str, int]


def build_index(spec: Spec, snapshot: Snapshot) -> Index:
    """Index a snapshot: hash its rows, keep one row per key, and split the scorable contents by hash shard."""
    parts, shards = plan_parts(snapshot), shard_count(snapshot.rows)
    schema = snapshot.select(spec.columns)
    indexed = [scatter(index_part, shards, spec, schema, part, shards) for part in parts]
    losers = _all_losers(spec, schema, parts, indexed, shards)
    settled = [_settle(indexed[p].summary, shards, [shard[p] for shard in losers]) for p in range(len(parts))]
    reasons: dict[str, int] = {}
    for counts in fetch([part.counts for part in settled]):
        for reason, rows in counts.items():
            reasons[reason] = reasons.get(reason, 0) + rows
    return Index(parts, shards, [part.rows for part in settled], [part.contents for part in settled], reasons)


def _all_losers(
    spec: Spec, schema: pa.Schema, parts: Sequence[Part], indexed: Sequence[Scattered], shards: int
) -> list[ObjectRefs]:
    """Find the rows that are replaced by another row with the same key, in all shards.

    Only the keys whose quick hashes repeat are read once more.

    Returns:
        losers[shard][part]: references to the positions of the replaced rows.
    """
    repeats = [
        scatter(find_repeats, len(parts), *(part.pieces[s] for part in indexed)) for s in range(shards if parts else 0)
    ]
    rows = sum(fetch([shard.summary for shard in repeats]))
    if not rows:
        return []
    few = shard_count(rows)
    named = [
        scatter(name_keys, few, spec, schema, part, few, *(shard.pieces[p] for shard in repeats))
        for p, part in enumerate(parts)
    ]
    return [scatter(find_losers, len(parts), *(part.pieces[s] for part in named)).pieces for s in range(few)]


def _settle(rows: ObjectRef, shards: int, losers: ObjectRefs) -> _Settled:
    counts, (marked, *contents) = scatter(settle_part, 1 + shards, rows, shards, *losers)
    return _Settled(counts, marked, contents)
