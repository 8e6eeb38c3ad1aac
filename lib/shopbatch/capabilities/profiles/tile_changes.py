"""Update tiles incrementally: recompute only the tiles of those (user, day) pairs that a change of the source affects.

A changed row affects its own pair. It also affects the pairs of all other rows with the same key, because another of
them may now be the one that is used for the key. Source files whose statistics rule out these keys and days are not
read. So if the source grows in the order of time, the cost of an update depends only on the size of the change. If it
does not, the whole source is read; the result is the same.
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
    """The input of `retile`: the files that differ between the tiled version of the source and the newer one."""

    spark: SparkSession
    tiling: Tiling
    source: Snapshot
    """The version of the source to update the tiles to."""
    added: Sequence[FileRef]
    """Files that only the new version of the source has."""
    removed: Sequence[FileRef]
    """Files that only the old version of the source has."""
    live: dict[str, Snapshot]
    """The current snapshot of each tile table, by name."""
    few: bool
    """Whether the facts (cleaned source rows) of all changed keys are few enough for the driver's memory."""


@dataclass(frozen=True)
class Retiled:
    """The result of `retile`: files that are written but not committed yet.

    Attributes:
        written: New files of each table that changes, with the files that they replace.
        pairs: Number of (user, day) pairs that the change affects.
        tiles_kept: Number of tiles in files that do not have to be rewritten.
    """

    written: list[Written]
    pairs: int
    tiles_kept: int


def retile(changes: Changes, files: TileFiles) -> Retiled:
    """Compute and write the tiles of all affected (user, day) pairs, and the rejects if they change; commit nothing.

    Args:
        changes: The changed files of the source, and the live tiles.
        files: Writes the files of the tile tables.
    """
    tiling, few, live_rejects = changes.tiling, changes.few, changes.live[changes.tiling.rejects.name]
    delta = spark_bridge.settled(_delta(changes), few)
    changed = competing_facts(tiling, delta)
    keys = changed.select(*tiling.key)
    same_key = _facts_of_keys(changes, keys).join(keys, [*tiling.key], "left_semi")
    ranks = spark_bridge.settled(facts.ranked(same_key, tiling.key, (*tiling.identity, "void")), few)
    pair = ("user_id", day(tiling.time).alias("day"))
    # Added facts are among `ranks`, but removed ones may have left the source. Void facts are in no tile.
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
    """Return the facts (cleaned source rows) that were added (`rows` > 0) or removed (`rows` < 0), with `reason`.

    A fact that occurs equally often in added and removed files is left out.
    """
    tiling = changes.tiling
    added = read_facts(changes.spark, tiling, changes.source, changes.added).withColumn("rows", F.lit(1))
    if not changes.removed:
        return added
    removed = read_facts(changes.spark, tiling, changes.source, changes.removed).withColumn("rows", F.lit(-1))
    by = [*tiling.identity, "reason"]
    return added.union(removed).groupBy(*by).agg(F.sum("rows").alias("rows")).where("rows != 0")


def _facts_of_keys(changes: Changes, keys: DataFrame) -> DataFrame:
    """Read all facts (cleaned source rows) with one of `keys` that are valid or void, with the boolean column `void`.

    A void fact (such as a cancelled order line) can win its key, and then no fact of the key is used. The result may
    hold facts of other keys too, because files are only skipped by their statistics. The whole source is read if there
    are too many keys, or if a key is not valid text.
    """
    tiling, source, most = changes.tiling, changes.source, spark_bridge.FEW
    column = keys.select(tiling.lookup)
    column = column if changes.few else column.distinct().limit(most + 1)
    values = sorted({row[0] for row in column.collect()})
    # U+FFFD may stand for bytes that are not valid text; such values cannot be compared with statistics.
    if len(values) > most or any("\ufffd" in value for value in values):
        return competing_facts(tiling, read_facts(changes.spark, tiling, source))
    bounds = source.bounds(tiling.lookup)
    only = [f for f in source.files if f.path not in bounds or _any_between(values, *bounds[f.path])]
    candidates = competing_facts(tiling, read_facts(changes.spark, tiling, source, only))
    # Every wanted row meets this condition, by which Spark can skip parts of files.
    return candidates.where(F.col(tiling.lookup).between(values[0], values[-1])) if values else candidates


def _facts_of_days(changes: Changes, days: list[date]) -> DataFrame:
    """Read the valid facts (cleaned source rows) of all files that may hold rows of `days`; add the column `day`.

    Facts of other days may be among them, because whole files are read. A file is skipped if its statistics rule out
    `days` in every time zone.
    """
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
    """Return all rejected facts after the change, with `reason` and `rows` (number of source rows).

    For the keys of changed rows it is decided anew which fact is used; the other facts of the key are rejected. The
    number of rows of an invalid fact is the old number plus the added rows minus the removed ones. All other rejects
    stay.

    Args:
        changes: The changed files of the source, and the live tiles.
        delta: Added and removed facts, as `_delta` returns them.
        keys: Keys of the added and removed facts.
        ranks: All facts of these keys, as `facts.ranked` returns them.
    """
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
    """Return True if the new rejects differ from the live rejects table, so that it must be written again."""
    names = changes.tiling.rejects.names
    new = changes.tiling.to_rejects(rejects).select(*names, F.lit(1).alias("sign"))
    old = spark_bridge.read(changes.spark, live, names).select(*names, F.lit(-1).alias("sign"))
    return not new.union(old).groupBy(*names).agg(F.sum("sign").alias("sign")).where("sign != 0").isEmpty()


def _untouched(
    changes: Changes, table: Table, pairs: DataFrame, days: list[date]
) -> tuple[DataFrame | None, list[FileRef]]:
    """Return the tiles to copy from files that have to be rewritten, and these files.

    Args:
        changes: The changed files of the source, and the live tiles.
        table: The tile table.
        pairs: The affected (user, day) pairs, whose old tiles are left out.
        days: The days of these pairs, sorted.

    Returns:
        The unaffected tiles in these files, and the files to replace; (None, []) if no file has to be rewritten.
    """
    snapshot = changes.live[table.name]
    bounds = snapshot.bounds("day")
    replaced = [f for f in snapshot.files if f.path not in bounds or _any_between(days, *bounds[f.path])]
    replaced += layout.files_to_merge([f for f in snapshot.files if f not in replaced])
    if not replaced:
        return None, []
    old = spark_bridge.read(changes.spark, snapshot, table.names, replaced)
    return old.join(pairs, ["user_id", "day"], "left_anti").select(*table.names), replaced


def _rows_per_day(frame: DataFrame, max_rows: int, days: list[date]) -> dict[date, int]:
    """Return the number of tiles of each day, for `layout.partition_by_day`.

    If all tiles fit into one file, they are not counted: the first day then gets the upper bound `max_rows`.
    """
    if max_rows <= layout.ROWS_PER_FILE:
        return {days[0]: max_rows}
    return {r["day"]: r["count"] for r in frame.groupBy("day").count().collect()}


def _any_between(values: Sequence[Any], low: Any, high: Any) -> bool:
    """Return True if at least one of the sorted values lies in [low, high]."""
    place = bisect_left(values, low)
    return place < len(values) and bool(values[place] <= high)
