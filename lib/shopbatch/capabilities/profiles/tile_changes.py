"""The incremental update: new tiles for the (user, day) pairs that changed source rows touch, and for no others.

A pair is touched by a changed row and by every row that shares its key, because another one of them may count now.
Files that cannot hold what is looked for are left out by their statistics. So a source that grows in the order of
time costs only what changed. With any other order the source is scanned, and the result is the same.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from shopbatch.capabilities.profiles import layout
from shopbatch.capabilities.profiles.features import facts
from shopbatch.capabilities.profiles.features.expressions import day
from shopbatch.capabilities.profiles.tile_files import TileFiles, Written
from shopbatch.capabilities.profiles.tiling import (
    Tiling,
    competing_facts,
    in_one_bucket,
    read_facts,
    valid_facts,
    void_rejects,
    with_day,
)
from shopbatch.tables.schema import Table
from shopbatch.warehouse import spark_bridge
from shopbatch.warehouse.files import FileRef
from shopbatch.warehouse.store import Snapshot

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


@dataclass(frozen=True)
class Changes:
    """What changed between the version of the source that the live tiles are of and the version to reach."""

    spark: SparkSession
    tiling: Tiling
    source: Snapshot
    added: Sequence[FileRef]
    """Files of the source that are new."""
    removed: Sequence[FileRef]
    """Files of the source that are gone."""
    live: dict[str, Snapshot]
    """Each tile table as it is now."""
    few: bool
    """Whether the facts of all changed keys fit into the driver's memory."""


@dataclass(frozen=True)
class Retiled:
    """The new files of an update, the number of pairs touched, and the number of tiles in files that stay."""

    written: list[Written]
    pairs: int
    tiles_kept: int


def retile(changes: Changes, files: TileFiles) -> Retiled:
    """Write the tiles of all touched pairs, and the rejects if they differ. Nothing is committed."""
    tiling, few, live_rejects = changes.tiling, changes.few, changes.live[changes.tiling.rejects.name]
    delta = spark_bridge.settled(_delta(changes), few)
    changed = competing_facts(tiling, delta)
    keys = changed.select(*tiling.key)
    same_key = _facts_of_keys(changes, keys).join(keys, [*tiling.key], "left_semi")
    ranks = spark_bridge.settled(facts.ranked(same_key, tiling.key, (*tiling.identity, "void")), few)
    pair = ("user_id", day(tiling.time).alias("day"))
    # An added fact has a rank. A removed one may be nowhere in the source any more. A void one is in no tile.
    removed = changed.where("rows < 0 and not void").select(*pair)
    pairs = removed.union(ranks.where("not void").select(*pair)).distinct()
    pairs = spark_bridge.settled(pairs, few)
    rows_per_day = {row["day"]: row["count"] for row in pairs.groupBy("day").count().collect()}
    days = sorted(rows_per_day)
    rejects = spark_bridge.settled(_new_rejects(changes, delta, keys, ranks), few)
    written, tiles_kept = [], 0
    if _rejects_differ(changes, live_rejects, rejects):
        written.append(Written(tiling.rejects, files.write_rejects(rejects), None))
    if days:
        superseded = rejects.where("reason = 'superseded'").select(*tiling.identity)
        touched = _facts_of_days(changes, days).join(pairs, ["user_id", "day"], "left_semi")
        same = [touched[c].eqNullSafe(superseded[c]) for c in tiling.identity]
        lines = in_one_bucket(tiling, touched.join(superseded, same, "left_anti")).distinct().cache()
        max_tiles = lines.count()
        for table, to_tiles in tiling.sinks:
            kept, replaced = _untouched(changes, table, pairs, days)
            frame = to_tiles(lines).select(*table.names)
            frame = frame if kept is None else kept.union(frame)
            max_rows = max_tiles + sum(f.rows for f in replaced)
            placed = layout.partition_by_day(changes.spark, frame, _rows_per_day(frame, max_rows, days))
            written.append(Written(table, files.write(placed, table), [f.path for f in replaced]))
            tiles_kept += sum(f.rows for f in changes.live[table.name].files) - sum(f.rows for f in replaced)
    return Retiled(written, sum(rows_per_day.values()), tiles_kept)


def _delta(changes: Changes) -> DataFrame:
    """Facts that were added (rows > 0) or removed (rows < 0), with `reason` and `rows`."""
    tiling = changes.tiling
    added = read_facts(changes.spark, tiling, changes.source, changes.added).withColumn("rows", F.lit(1))
    if not changes.removed:
        return added
    removed = read_facts(changes.spark, tiling, changes.source, changes.removed).withColumn("rows", F.lit(-1))
    by = [*tiling.identity, "reason"]
    return added.union(removed).groupBy(*by).agg(F.sum("rows").alias("rows")).where("rows != 0")


def _facts_of_keys(changes: Changes, keys: DataFrame) -> DataFrame:
    """The facts that compete for one of these keys, with `void`; facts of other keys may be among them."""
    tiling, source, most = changes.tiling, changes.source, spark_bridge.FEW
    column = keys.select(tiling.lookup)
    column = column if changes.few else column.distinct().limit(most + 1)
    values = sorted({row[0] for row in column.collect()})
    # The replacement character may stand for bytes that are not text, which no statistics can be compared with.
    if len(values) > most or any("\ufffd" in value for value in values):
        return competing_facts(tiling, read_facts(changes.spark, tiling, source))
    bounds = source.bounds(tiling.lookup)
    only = [f for f in source.files if f.path not in bounds or _any_between(values, *bounds[f.path])]
    candidates = competing_facts(tiling, read_facts(changes.spark, tiling, source, only))
    # Every row looked for meets this condition. It lets Spark skip parts of files by their statistics.
    return candidates.where(F.col(tiling.lookup).between(values[0], values[-1])) if values else candidates


def _facts_of_days(changes: Changes, days: list[date]) -> DataFrame:
    """The valid facts that may fall on one of these days in any time zone, with their `day`."""
    tiling, source = changes.tiling, changes.source
    bounds = source.bounds(tiling.time)
    # The days are widened and not the bounds, which may be the first or last day that Python can represent.
    near = sorted({d + timedelta(days=n) for d in days for n in (-1, 0, 1)})
    only = [
        f
        for f in source.files
        if f.path not in bounds or _any_between(near, bounds[f.path][0].date(), bounds[f.path][1].date())
    ]
    return with_day(tiling, valid_facts(read_facts(changes.spark, tiling, source, only)))


def _new_rejects(changes: Changes, delta: DataFrame, keys: DataFrame, ranks: DataFrame) -> DataFrame:
    """All rejects after the change: changed keys are judged again, invalid rows are added and subtracted."""
    tiling = changes.tiling
    columns = [*tiling.identity, "reason", "rows"]
    live = spark_bridge.read(changes.spark, changes.live[tiling.rejects.name], tiling.rejects.names)
    old = tiling.from_rejects(live).select(*columns)
    competes = ["repeated", "superseded", *([tiling.void] if tiling.void else [])]
    lost = F.col("reason").isin(competes)
    kept = old.where(lost).join(keys, [*tiling.key], "left_anti").select(*columns)
    invalid = old.where(~lost).union(delta.where("reason is not null").where(~lost).select(*columns))
    summed = invalid.groupBy(*columns[:-1]).agg(F.sum("rows").alias("rows")).where("rows > 0")
    judged = facts.repeated(ranks, tiling.identity).select(*columns)
    if tiling.void:
        judged = judged.union(void_rejects(tiling, ranks.where("rank = 1")).select(*columns))
    return kept.union(judged).union(summed)


def _rejects_differ(changes: Changes, live: Snapshot, rejects: DataFrame) -> bool:
    """Whether the rejects table must be written again."""
    names = changes.tiling.rejects.names
    new = changes.tiling.to_rejects(rejects).select(*names, F.lit(1).alias("sign"))
    old = spark_bridge.read(changes.spark, live, names).select(*names, F.lit(-1).alias("sign"))
    return not new.union(old).groupBy(*names).agg(F.sum("sign").alias("sign")).where("sign != 0").isEmpty()


def _untouched(
    changes: Changes, table: Table, pairs: DataFrame, days: list[date]
) -> tuple[DataFrame | None, list[FileRef]]:
    """The files of a tile table that must be written again, and the tiles in them that stay (None: no such files)."""
    snapshot = changes.live[table.name]
    bounds = snapshot.bounds("day")
    replaced = [f for f in snapshot.files if f.path not in bounds or _any_between(days, *bounds[f.path])]
    replaced += layout.files_to_merge([f for f in snapshot.files if f not in replaced])
    if not replaced:
        return None, []
    old = spark_bridge.read(changes.spark, snapshot, table.names, replaced)
    return old.join(pairs, ["user_id", "day"], "left_anti").select(*table.names), replaced


def _rows_per_day(frame: DataFrame, max_rows: int, days: list[date]) -> dict[date, int]:
    """The number of tiles of each day. If all fit into one file, the days do not matter and are not counted."""
    if max_rows <= layout.ROWS_PER_FILE:
        return {days[0]: max_rows}
    return {r["day"]: r["count"] for r in frame.groupBy("day").count().collect()}


def _any_between(values: Sequence[Any], low: Any, high: Any) -> bool:
    """Whether one of the sorted values lies in [low, high]."""
    place = bisect_left(values, low)
    return place < len(values) and bool(values[place] <= high)
