"""Daily tiles brought up to date with their source: only the (user, day) pairs that changed rows touch, or all.

Called by `run`. What changed is found by comparing the files of two versions of the source: rows of files that came,
less rows of files that went. A pair is touched by a changed row and by every row that shares its key, for another of
them may count now. Files that cannot hold what is looked for are left out by their statistics, so that a source
appended in the order of time costs what changed; in any other order it costs a scan, and the result is the same.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import reduce
from typing import TYPE_CHECKING, Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shopbatch.capabilities.profiles import layout
from shopbatch.capabilities.profiles.features import facts as stage
from shopbatch.capabilities.profiles.features.expressions import day
from shopbatch.capabilities.profiles.layout import by_day, small_files
from shopbatch.capabilities.profiles.tiling import VERSION, Tiling
from shopbatch.core.crash_points import crash_point
from shopbatch.core.errors import Stopped
from shopbatch.runs.report import new_run_id
from shopbatch.tables.schema import Table
from shopbatch.warehouse import spark_bridge as tables
from shopbatch.warehouse.files import DataFile, FileRef
from shopbatch.warehouse.store import Mode, Snapshot, Store

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_ATTEMPTS = 5
MOST = 0.5  # of the source's bytes: where more came or went, building all tiles anew costs less
_CACHED = 5_000_000  # rows of a source that are kept while tiles are built


class Conflict(Exception):
    """Another run changed the tiles meanwhile."""


@dataclass(frozen=True)
class Written:
    """Files written for one table, and the visible ones that they take the place of (None: all)."""

    table: Table
    added: Sequence[DataFile]
    removed: Sequence[str] | None


@dataclass
class Update:
    """What was done. how: `rebuilt` (and why), `updated` or `unchanged`; pairs touched; tiles written and kept."""

    how: str
    why: str = ""
    pairs: int | None = None
    rows_read: int = 0
    tiles_written: int = 0
    tiles_kept: int = 0
    snapshots: dict[str, Snapshot] = field(default_factory=dict)


def facts_of(spark: SparkSession, tiling: Tiling, source: Snapshot, only: Sequence[FileRef] | None = None) -> DataFrame:
    """Facts of a snapshot's rows, or of those of some of its files, with `reason`."""
    return tiling.to_facts(tables.read(spark, source, tiling.columns, only))


def valid(facts: DataFrame) -> DataFrame:
    """The facts that have no reason not to count."""
    return facts.where("reason is null").drop("reason")


def counting(tiling: Tiling, facts: DataFrame) -> tuple[DataFrame, DataFrame | None]:
    """Of valid facts those that count, each key once; and what `facts.repeated` tells, or None if all count."""
    hashed = facts.withColumn("key_hash", F.xxhash64(*tiling.key))
    hashes = hashed.select("key_hash").repartition("key_hash").groupBy("key_hash").count()
    suspects = hashes.where("count > 1").select("key_hash").cache()
    if not suspects.count():
        return facts, None
    # different keys of one hash do no harm: suspects are told apart by their keys
    ranks = stage.ranked(hashed.join(suspects, "key_hash", "left_semi"), tiling.key, tiling.identity).cache()
    single = hashed.join(suspects, "key_hash", "left_anti").select(*tiling.identity)
    return single.union(ranks.where("rank = 1").select(*tiling.identity)), stage.repeated(ranks, tiling.identity)


def together(tiling: Tiling, lines: DataFrame) -> DataFrame:
    """Lines as the tiling's transforms want them, where it does not matter in how many tasks they are."""
    return dated(tiling, lines).withColumn("bucket", F.lit(0)).repartition("user_id", "day")


def dated(tiling: Tiling, lines: DataFrame) -> DataFrame:
    """Lines with their `day`."""
    return lines.withColumn("day", day(tiling.time))


class Tiler:
    """Keeps the tiles of one source. run_id: of the run, for the commits' run key and the folders of files."""

    def __init__(self, spark: SparkSession, store: Store, tiling: Tiling, timezone: str, run_id: str) -> None:
        self.spark, self.store, self.tiling, self.run_id = spark, store, tiling, run_id
        self.recipe = {"version": VERSION, "timezone": timezone}
        self.tables = [*(table for table, _ in tiling.sinks), tiling.rejects]

    def update(self, source: Snapshot) -> Update:
        """Bring all tiles to the source's version, if they are not there or beyond. Stopped if others keep at them."""
        for _ in range(_ATTEMPTS):
            live = {t.name: s for t in self.tables if (s := self.store.find(t.name)) is not None}
            try:
                done = self._once(source, live)
            except Conflict:
                continue
            finally:
                self.spark.catalog.clearCache()
            done.snapshots = {t.name: self.store.snapshot(t.name) for t in self.tables}
            if not self._unfit(source, done.snapshots):  # another run may commit between two of these reads
                return done
        raise Stopped(f"other runs keep changing the tiles of {source.name}")

    def _once(self, source: Snapshot, live: dict[str, Snapshot]) -> Update:
        old, why = self._state(source, live)
        if old is None:
            return self._rebuild(source, live, why)
        if old.version >= source.version:
            return Update("unchanged")
        added = [f for f in source.files if f.path not in old.by_path]
        removed = [f for f in old.files if f.path not in source.by_path]
        if not added and not removed:
            return Update("unchanged")
        if sum(f.size for f in (*added, *removed)) > MOST * sum(f.size for f in source.files):
            return self._rebuild(source, live, "most of the source changed")
        # facts that do not count are rejects: with these, the facts of all changed keys are few
        few = sum(f.rows for f in (*added, *removed, *live[self.tiling.rejects.name].files)) <= tables.FEW
        with tables.for_few_rows(self.spark) if few else nullcontext():
            return self._renew(source, added, removed, live, few)

    def _state(self, source: Snapshot, live: dict[str, Snapshot]) -> tuple[Snapshot | None, str]:
        """The source snapshot that the tiles are of; None, and why, where they must be built anew."""
        if why := self._unfit(source, live):
            return None, why
        version = live[self.tables[0].name].metadata["source"]["version"]
        old = self.store.recall(source.name, version)
        return old, "" if old else f"version {version} of the source is gone"

    def _unfit(self, source: Snapshot, live: dict[str, Snapshot]) -> str:
        """Why these tiles do not go together, or are not of the source; empty where they do."""
        main = live.get(self.tables[0].name)
        if main is None or len(live) < len(self.tables):
            return "there are no tiles yet"
        state = main.metadata
        if state.get("recipe") != self.recipe:
            return "they were made by another version or in another time zone"
        if state.get("with") != {t.name: live[t.name].version for t in self.tables[1:]}:
            return "a run was killed between two commits"
        return "" if state["source"]["table_id"] == source.table_id else "the source is another table"

    def _rebuild(self, source: Snapshot, live: dict[str, Snapshot], why: str) -> Update:
        """All tiles from all rows."""
        tiling, done = self.tiling, Update("rebuilt", why, rows_read=source.rows)
        facts = facts_of(self.spark, tiling, source)
        by_reason = facts.groupBy(F.when(F.col("reason").isNull(), day(tiling.time)).alias("day")).count().collect()
        rows = {r["day"]: r["count"] for r in by_reason}
        unfit = rows.pop(None, 0)
        lines, repeated = counting(tiling, valid(facts))
        placed = by_day(self.spark, dated(tiling, lines), rows)
        if source.rows < _CACHED:  # beyond, reading the source again costs less than spilling
            placed = placed.cache()
        written = [Written(table, self._write(to_tiles(placed), table), None) for table, to_tiles in tiling.sinks]
        rejects = [] if repeated is None else [repeated]
        if unfit:
            reasons = facts.where("reason is not null").groupBy(*tiling.identity, "reason")
            rejects.append(reasons.agg(F.count(F.lit(1)).alias("rows")))
        added = self._write_rejects(reduce(DataFrame.union, rejects)) if rejects else []
        written.append(Written(tiling.rejects, added, None))
        return self._commit(done, written, source, live)

    def _renew(
        self,
        source: Snapshot,
        added: Sequence[FileRef],
        removed: Sequence[FileRef],
        live: dict[str, Snapshot],
        few: bool,
    ) -> Update:
        """The tiles of the pairs that changed rows touch; all others stay as they are."""
        tiling, identity = self.tiling, self.tiling.identity
        done = Update("updated", rows_read=sum(f.rows for f in (*added, *removed)))
        delta = tables.settled(self._delta(source, added, removed), few)
        changed = delta.where("reason is null")
        keys = changed.select(*tiling.key)
        same_key = self._holding_keys(source, keys, few).join(keys, [*tiling.key], "left_semi")
        ranks = tables.settled(stage.ranked(same_key, tiling.key, identity), few)
        pair = ("user_id", day(tiling.time).alias("day"))  # what came has a rank, what went may be nowhere
        pairs = changed.where("rows < 0").select(*pair).union(ranks.select(*pair)).distinct()
        pairs = tables.settled(pairs, few)
        days = {row["day"]: row["count"] for row in pairs.groupBy("day").count().collect()}
        done.pairs = sum(days.values())
        rejects = tables.settled(self._new_rejects(live[tiling.rejects.name], delta, keys, ranks), few)
        written = []
        if self._differ(live[tiling.rejects.name], rejects):
            written.append(Written(tiling.rejects, self._write_rejects(rejects), None))
        if days:
            lost = rejects.where("reason = 'superseded'").select(*identity)
            touched = self._holding_days(source, sorted(days)).join(pairs, ["user_id", "day"], "left_semi")
            same = [touched[c].eqNullSafe(lost[c]) for c in identity]
            lines = together(tiling, touched.join(lost, same, "left_anti")).distinct().cache()
            most = lines.count()
            for table, to_tiles in tiling.sinks:
                written.append(self._replace(table, to_tiles(lines), most, pairs, sorted(days), live, done))
        return self._commit(done, written, source, live)

    def _delta(self, source: Snapshot, added: Sequence[FileRef], removed: Sequence[FileRef]) -> DataFrame:
        """Facts that came (rows > 0) or went (rows < 0), with `reason` and `rows`."""
        came = facts_of(self.spark, self.tiling, source, added).withColumn("rows", F.lit(1))
        if not removed:
            return came
        went = facts_of(self.spark, self.tiling, source, removed).withColumn("rows", F.lit(-1))
        by = [*self.tiling.identity, "reason"]
        return came.union(went).groupBy(*by).agg(F.sum("rows").alias("rows")).where("rows != 0")

    def _holding_keys(self, source: Snapshot, keys: DataFrame, few: bool) -> DataFrame:
        """The valid facts that may have one of these keys."""
        near = self.tiling.near
        names = keys.select(near) if few else keys.select(near).distinct().limit(tables.FEW + 1)
        order = sorted({row[0] for row in names.collect()})
        if len(order) > tables.FEW or any("\ufffd" in name for name in order):  # it may stand for what is no text
            return valid(facts_of(self.spark, self.tiling, source))
        bounds = source.bounds(near)
        only = [f for f in source.files if f.path not in bounds or _between(order, *bounds[f.path])]
        facts = valid(facts_of(self.spark, self.tiling, source, only))
        # true of all that is looked for, and told so that parts of files are left out by their statistics
        return facts.where(F.col(near).between(order[0], order[-1])) if order else facts

    def _holding_days(self, source: Snapshot, days: list[date]) -> DataFrame:
        """The valid facts that may be of one of these days, whatever the time zone, with their `day`."""
        bounds = source.bounds(self.tiling.time)
        near = sorted({d + timedelta(days=n) for d in days for n in (-1, 0, 1)})  # a file's bounds may be the last days
        only = [
            f
            for f in source.files
            if f.path not in bounds or _between(near, bounds[f.path][0].date(), bounds[f.path][1].date())
        ]
        return dated(self.tiling, valid(facts_of(self.spark, self.tiling, source, only)))

    def _new_rejects(self, live: Snapshot, delta: DataFrame, keys: DataFrame, ranks: DataFrame) -> DataFrame:
        """The rejects as they are after the change: those of changed keys anew, invalid rows added and taken off."""
        tiling, columns = self.tiling, [*self.tiling.identity, "reason", "rows"]
        old = tiling.from_rejects(tables.read(self.spark, live, tiling.rejects.names)).select(*columns)
        is_repeat = F.col("reason").isin("repeated", "superseded")
        kept = old.where(is_repeat).join(keys, [*tiling.key], "left_anti").select(*columns)
        invalid = old.where(~is_repeat).union(delta.where("reason is not null").select(*columns))
        summed = invalid.groupBy(*columns[:-1]).agg(F.sum("rows").alias("rows")).where("rows > 0")
        return kept.union(stage.repeated(ranks, tiling.identity).select(*columns)).union(summed)

    def _differ(self, live: Snapshot, rejects: DataFrame) -> bool:
        """Whether the rejects are not those that are there."""
        names = self.tiling.rejects.names
        new = self.tiling.to_rejects(rejects).select(*names, F.lit(1).alias("sign"))
        old = tables.read(self.spark, live, names).select(*names, F.lit(-1).alias("sign"))
        return not new.union(old).groupBy(*names).agg(F.sum("sign").alias("sign")).where("sign != 0").isEmpty()

    def _replace(
        self,
        table: Table,
        fresh: DataFrame,
        most: int,
        pairs: DataFrame,
        days: list[date],
        live: dict[str, Snapshot],
        done: Update,
    ) -> Written:
        """Write the fresh tiles (so many at most), with the untouched tiles of the files that they fall into."""
        snapshot = live[table.name]
        bounds = snapshot.bounds("day")
        hit = [f for f in snapshot.files if f.path not in bounds or _between(days, *bounds[f.path])]
        hit += small_files([f for f in snapshot.files if f not in hit])
        frame = fresh.select(*table.names)
        if hit:
            old = tables.read(self.spark, snapshot, table.names, hit)
            kept = old.join(pairs, ["user_id", "day"], "left_anti").select(*table.names)
            frame = kept.union(frame)
        most += sum(f.rows for f in hit)
        if most <= layout.ROWS_PER_FILE:  # one file, however the rows spread over days
            rows = {days[0]: most}
        else:
            rows = {r["day"]: r["count"] for r in frame.groupBy("day").count().collect()}
        added = self._write(by_day(self.spark, frame, rows), table)
        done.tiles_kept += sum(f.rows for f in snapshot.files) - sum(f.rows for f in hit)
        return Written(table, added, [f.path for f in hit])

    def _write(self, frame: DataFrame, table: Table) -> list[DataFile]:
        return tables.write(frame, self.store, table, f"{self.run_id}-{new_run_id()[-6:]}")

    def _write_rejects(self, rejects: DataFrame) -> list[DataFile]:
        return self._write(self.tiling.to_rejects(rejects).coalesce(1), self.tiling.rejects)

    def _commit(self, done: Update, written: list[Written], source: Snapshot, live: dict[str, Snapshot]) -> Update:
        """Make everything visible: companions first, the main tiles last, for their commit says what goes together."""
        crash_point("tiles_written")
        versions = {t.name: live[t.name].version if t.name in live else -1 for t in self.tables}
        main = self.tables[0]
        by_name = {w.table.name: w for w in written}
        visible: set[str] = set()
        for table in [*self.tables[1:], main]:
            part = by_name.get(table.name)
            if part is None and table is not main:
                continue
            metadata: dict[str, Any] = {"job": "build_user_profiles", "source": _version(source)}
            if table is main:
                metadata |= {"recipe": self.recipe, "with": {t.name: versions[t.name] for t in self.tables[1:]}}
            before = versions[table.name]

            def guard(now: Snapshot, before: int = before) -> None:
                if now.version != before and not (before < 0 and not now.files):
                    raise Conflict

            part = part or Written(table, [], [])
            mode: Mode = "replace" if part.removed is None else "rewrite"
            try:
                versions[table.name] = self.store.commit(
                    table, part.added, mode, self.run_id, metadata, part.removed or (), guard
                )
            except Conflict:
                for other in written:
                    if other.table.name not in visible:
                        self.store.discard(other.table, other.added)
                raise
            visible.add(table.name)
            done.tiles_written += sum(f.rows for f in part.added) if table is not self.tiling.rejects else 0
            crash_point(f"tiles_commit_{table.name}")
        return done


def _version(source: Snapshot) -> dict[str, Any]:
    return {"table": source.name, "table_id": source.table_id, "version": source.version}


def _between(order: Sequence[Any], low: Any, high: Any) -> bool:
    """Whether one of the sorted values lies in [low, high]."""
    place = bisect_left(order, low)
    return place < len(order) and bool(order[place] <= high)
