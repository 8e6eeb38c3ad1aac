"""Indexes the source: hashes the content and the key of each row, and marks the rows that cannot be scored.

Called by `run.py`. The tasks return hashes, positions and reasons, never text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.core.hashing import hash128
from shopbatch.inference.parts import Part, plan_parts
from shopbatch.inference.refs import ObjectRef, ObjectRefs, fetch, scatter
from shopbatch.inference.shards import numbered, shard_count, split, to_arrow
from shopbatch.inference.spec import Spec
from shopbatch.warehouse.store import Snapshot
from shopbatch.warehouse.utf8 import invalid_utf8


def index_part(spec: Spec, schema: pa.Schema, part: Part, shards: int) -> list[pa.Table]:
    """Hash and check the rows of a part.

    Returns:
        [rows, keys of shard 0, 1, ...].
        rows: hi, lo, khi, klo (uint64: content and key hash) and reason (string; null: can be scored), one per row.
        keys: khi, klo, latest (int64), pos (uint32) of the rows that have a key.
    """
    latest = (spec.source.latest_by,) if spec.source.latest_by else ()
    columns = pa.schema([schema.field(c) for c in dict.fromkeys((spec.key, *spec.stage.content, *latest))])
    index = pl.concat([_index(spec, data, where.start) for where, data in part.read(columns)])
    keyed = index.filter(pl.col("reason").ne_missing("no_key")).select("khi", "klo", "latest", "pos")
    return [to_arrow(index.select("hi", "lo", "khi", "klo", "reason")), *split(keyed, "khi", shards)]


def _index(spec: Spec, data: pa.Table, first: int) -> pl.DataFrame:
    """Return the index of some rows; `first` is the position of the first one."""
    content = data.select(list(spec.stage.content))
    high, low = hash128(content.columns)
    key_high, key_low = hash128([data[spec.key]])
    latest = np.zeros(len(data), np.int64)
    if spec.source.latest_by:
        moments = data[spec.source.latest_by].cast(pa.int64())
        latest = moments.fill_null(np.iinfo(np.int64).min).to_numpy()
    reason = pl.Series("reason", spec.stage.check(content), dtype=pl.String)
    no_key = pl.Series(_has_no_key(data[spec.key]))
    frame = pl.DataFrame({"hi": high, "lo": low, "khi": key_high, "klo": key_low, "latest": latest})
    position = pl.Series("pos", np.arange(first, first + len(data), dtype=np.uint32))
    return frame.with_columns(
        pl.when(no_key).then(pl.lit("no_key")).otherwise(reason).alias("reason"),
        position,
    )


def _has_no_key(keys: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    """Return which keys are null or not valid UTF-8: such a row could not be looked up by its key."""
    broken = invalid_utf8(keys)
    return keys.is_null() if broken is None else pc.or_(keys.is_null(), broken)


def find_losers(*pieces: pa.Table) -> list[Any]:
    """Find the rows that lose to another row with the same key. The greatest `latest` wins; of equals, the later row.

    Args:
        pieces: The keys of one shard, one table per part.

    Returns:
        [number of losers, positions (uint32) of the losers in part 0, 1, ...].
    """
    keys = numbered(pieces)
    twice = keys.filter(pl.col("khi").is_duplicated())  # only these few rows need the whole hash compared
    losers = (
        twice.sort(["latest", "part", "pos"])
        .with_columns(pl.int_range(pl.len()).over("khi", "klo").alias("nth"), pl.len().over("khi", "klo").alias("of"))
        .filter(pl.col("nth") < pl.col("of").cast(pl.Int64) - 1)
    )
    return [len(losers), *(losers.filter(pl.col("part") == i)["pos"].to_numpy() for i in range(len(pieces)))]


def settle_part(rows: pa.Table, shards: int, *losers: np.ndarray) -> list[Any]:
    """Mark the losers of a part as `duplicate_key`.

    Returns:
        [number of rows by reason, the rows of `index_part`, contents of shard 0, 1, ...].
        contents: hi, lo (uint64), pos (uint32) of the rows that can be scored.
    """
    frame = pl.DataFrame(rows).with_row_index("pos")
    lost = np.concatenate([np.asarray(x, np.uint32) for x in losers])
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
    """References to what `settle_part` returned for one part."""

    counts: ObjectRef
    rows: ObjectRef
    contents: ObjectRefs


@dataclass(frozen=True)
class Index:
    """The indexed source.

    Attributes:
        parts: The parts of the source.
        shards: Number of hash shards.
        rows: For each part a reference to the index of its rows, as `settle_part` returns it.
        pieces: pieces[part][shard]: references to the contents that can be scored.
        reasons: Number of rows that cannot be scored, by reason.
    """

    parts: list[Part]
    shards: int
    rows: ObjectRefs
    pieces: list[ObjectRefs]
    reasons: dict[str, int]


def build_index(spec: Spec, snapshot: Snapshot) -> Index:
    """Hash the snapshot's rows, resolve duplicate keys, and split the contents by shard."""
    parts, shards = plan_parts(snapshot), shard_count(snapshot.rows)
    schema = snapshot.select(spec.columns)
    indexed = [scatter(index_part, shards, spec, schema, part, shards) for part in parts]
    losers = [
        scatter(find_losers, len(parts), *(part.pieces[s] for part in indexed)).pieces
        for s in range(shards if parts else 0)
    ]
    settled = [_settle(indexed[p].summary, shards, [shard[p] for shard in losers]) for p in range(len(parts))]
    reasons: dict[str, int] = {}
    for counts in fetch([part.counts for part in settled]):
        for reason, rows in counts.items():
            reasons[reason] = reasons.get(reason, 0) + rows
    return Index(parts, shards, [part.rows for part in settled], [part.contents for part in settled], reasons)


def _settle(rows: ObjectRef, shards: int, losers: ObjectRefs) -> _Settled:
    counts, (marked, *contents) = scatter(settle_part, 1 + shards, rows, shards, *losers)
    return _Settled(counts, marked, contents)
