"""Bring daily tiles up to date with their source: rebuild all of them, or only those that changed rows affect.

`run` calls `Tiler.update`, which finds the changes by comparing the files of two versions of the source. If only a
small part changed, `tile_changes` recomputes the tiles of the affected (user, day) pairs; otherwise this module
rebuilds all tiles. The resulting tiles are the same in either case.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import reduce
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shopbatch.capabilities.profiles.features.expressions import day
from shopbatch.capabilities.profiles.layout import partition_by_day
from shopbatch.capabilities.profiles.tile_changes import Changes, retile
from shopbatch.capabilities.profiles.tile_files import Conflict, TileFiles, Written
from shopbatch.capabilities.profiles.tiling import (
    Tiling,
    read_facts,
    split_repeated,
    with_day,
)
from shopbatch.core.errors import Stopped
from shopbatch.warehouse import spark_bridge
from shopbatch.warehouse.files import DataFile
from shopbatch.warehouse.foreign import refuse_foreign
from shopbatch.warehouse.store import Snapshot, Store

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

MAX_CHANGED = 0.5  # of the source's bytes: if more was added or removed, rebuilding all tiles costs less
_ATTEMPTS = 5
_CACHED_ROWS = 5_000_000  # a source of fewer rows is kept in memory while its tiles are built


@dataclass
class Update:
    """The outcome of `Tiler.update`, shown in the report."""

    how: str
    """Kind of update: `rebuilt` (all tiles), `updated` (touched tiles only) or `unchanged`."""
    why: str = ""
    """Why the tiles were rebuilt; "" if they were not."""
    pairs: int | None = None
    """Number of (user, day) pairs that changed rows touched; None if the tiles were rebuilt or left unchanged."""
    rows_read: int = 0
    """Number of rows in the source files that were read: all files, or the added and removed ones."""
    tiles_written: int = 0
    """Number of tiles written to new files, over all tile tables."""
    tiles_kept: int = 0
    """Number of tiles in files that did not have to be rewritten."""
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    """The snapshot of each tile table after the update, by table name."""


class Tiler:
    """Keeps the tile tables of one source up to date.

    Args:
        spark: The session.
        store: The warehouse.
        tiling: The source and its tile tables.
        timezone: The shop's time zone, in which days are counted. Tiles made in another one are rebuilt.
        run_id: The run; key of the commits and prefix of the folders of new files.
    """

    def __init__(self, spark: SparkSession, store: Store, tiling: Tiling, timezone: str, run_id: str) -> None:
        self.spark, self.store, self.tiling = spark, store, tiling
        self.files = TileFiles(store, tiling, {"version": tiling.version, "timezone": timezone}, run_id)

    def update(self, source: Snapshot) -> Update:
        """Bring all tiles to the version of `source`; change nothing if they have that version or a later one.

        If another run changes the tiles meanwhile, the update is tried again, up to 5 times in all.

        Raises:
            Stopped: Other runs changed the tiles at every attempt, or another program changed them.
        """
        tables = self.files.tables
        for _ in range(_ATTEMPTS):
            live = {t.name: s for t in tables if (s := self.store.find(t.name)) is not None}
            try:
                done = self._attempt(source, live)
            except Conflict:
                continue
            finally:
                self.spark.catalog.clearCache()
            done.snapshots = {t.name: self.store.snapshot(t.name) for t in tables}
            for snapshot in done.snapshots.values():
                refuse_foreign(snapshot)
            if not self.files.mismatch(source, done.snapshots):  # else another run committed between the reads
                return done
        raise Stopped(f"other runs keep changing the tiles of {source.name}; start this one again when they have ended")

    def _attempt(self, source: Snapshot, live: dict[str, Snapshot]) -> Update:
        old, why = self._tiled_source(source, live)
        if old is None:
            return self._rebuild(source, live, why)
        if old.version >= source.version:
            return Update("unchanged")
        added = [f for f in source.files if f.path not in old.by_path]
        removed = [f for f in old.files if f.path not in source.by_path]
        if not added and not removed:
            return Update("unchanged")
        if sum(f.size for f in (*added, *removed)) > MAX_CHANGED * sum(f.size for f in source.files):
            return self._rebuild(source, live, "most of the source changed")
        # All facts of a key but the one that counts are in the rejects. So if the rejects and the changed rows are few,
        # then so are all facts of the changed keys.
        rejects = live[self.tiling.rejects.name].files
        few = sum(f.rows for f in (*added, *removed, *rejects)) <= spark_bridge.FEW
        with spark_bridge.for_few_rows(self.spark) if few else nullcontext():
            changes = Changes(self.spark, self.tiling, source, added, removed, live, few)
            retiled = retile(changes, self.files)
            return Update(
                "updated",
                pairs=retiled.pairs,
                rows_read=sum(f.rows for f in (*added, *removed)),
                tiles_written=self.files.commit(retiled.written, source, live),
                tiles_kept=retiled.tiles_kept,
            )

    def _tiled_source(self, source: Snapshot, live: dict[str, Snapshot]) -> tuple[Snapshot | None, str]:
        """Return the source snapshot that the live tiles were made from; None if the tiles must be rebuilt.

        The second value is the reason for a rebuild, or "".
        """
        if why := self.files.mismatch(source, live):
            return None, why
        version = live[self.files.tables[0].name].metadata["source"]["version"]
        old = self.store.recall(source.name, version)
        return old, "" if old else f"version {version} of the source is gone"

    def _rebuild(self, source: Snapshot, live: dict[str, Snapshot], why: str) -> Update:
        """Build all tiles and rejects from all rows of the source, and commit them."""
        tiling = self.tiling
        facts = read_facts(self.spark, tiling, source)
        valid_day = F.when(F.col("reason").isNull(), day(tiling.time)).alias("day")
        counted = facts.groupBy(valid_day, "reason").count().collect()
        rows = {r["day"]: r["count"] for r in counted if r["reason"] is None}
        reasons = {r["reason"] for r in counted} - {None}
        lines, repeated = split_repeated(tiling, facts, any_void=tiling.void in reasons)
        placed = partition_by_day(self.spark, with_day(tiling, lines), rows)
        if source.rows < _CACHED_ROWS:  # for more rows, reading the source again costs less than spilling
            placed = placed.cache()
        written = [Written(table, self.files.write(to_tiles(placed), table), None) for table, to_tiles in tiling.sinks]
        rejects = [] if repeated is None else [repeated]
        if invalid := sorted(reasons - {tiling.void}):
            same = facts.where(F.col("reason").isin(invalid)).groupBy(*tiling.identity, "reason")
            rejects.append(same.agg(F.count(F.lit(1)).alias("rows")))
        written.append(Written(tiling.rejects, self._write_rejects(rejects), None))
        tiles_written = self.files.commit(written, source, live)
        return Update("rebuilt", why, rows_read=source.rows, tiles_written=tiles_written)

    def _write_rejects(self, parts: Sequence[DataFrame]) -> list[DataFile]:
        return self.files.write_rejects(reduce(DataFrame.union, parts)) if parts else []
