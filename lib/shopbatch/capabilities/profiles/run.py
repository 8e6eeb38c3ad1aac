"""Run the job `build_user_profiles`.

A run pins one snapshot of every source, brings the daily tiles up to date, and then computes, judges and publishes each
requested day on its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from shopbatch.capabilities.profiles import publish
from shopbatch.capabilities.profiles.config import ProfileConfig, requested_days
from shopbatch.capabilities.profiles.features.expressions import day, has_day
from shopbatch.capabilities.profiles.features.facts import net_cents
from shopbatch.capabilities.profiles.features.ids import with_trimmed_ids
from shopbatch.capabilities.profiles.features.profile import Inputs, profiles
from shopbatch.capabilities.profiles.publish import Money
from shopbatch.capabilities.profiles.report import figures
from shopbatch.capabilities.profiles.sources import LOOKUPS, OPTIONAL, missing, missing_master_data, read_sources
from shopbatch.capabilities.profiles.tiles import Tiler, Update
from shopbatch.capabilities.profiles.tiling import (
    EVENT_TILES,
    TRANSACTION_TILES,
    Tiling,
    in_one_bucket,
    read_facts,
    split_repeated,
)
from shopbatch.core.errors import Stopped, UserError
from shopbatch.runs.report import Report, new_run_id
from shopbatch.tables.transactions import TRANSACTIONS
from shopbatch.tables.user_daily import TRANSACTIONS_REJECTS, USER_DAILY, USER_EVENT_DAILY, USER_PRODUCT_DAILY
from shopbatch.tables.user_profiles import USER_PROFILES
from shopbatch.warehouse import spark_bridge
from shopbatch.warehouse.damage import move_away, publish_anew
from shopbatch.warehouse.files import DataFile, FileRef
from shopbatch.warehouse.foreign import put_all_right
from shopbatch.warehouse.gates import refuse_if_failed, shrinking
from shopbatch.warehouse.publish import Publication, Superseded, rows_of, unless_changed
from shopbatch.warehouse.store import Snapshot, Store

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_ROWS_PER_TASK = 1_000_000


@dataclass
class Builder:
    """One run of `build_user_profiles`.

    Attributes:
        spark: The session.
        store: The warehouse.
        config: Settings of the job.
        report: Filled while the run proceeds.
        damaged: Damaged files found at the start, by table name.
        damaged_days: Days of user_profiles with a damaged file; they are computed and published again.
        read: Number of rows of each source, by table name.
    """

    spark: SparkSession
    store: Store
    config: ProfileConfig
    report: Report
    damaged: dict[str, list[FileRef]] = field(default_factory=dict)
    damaged_days: set[date] = field(default_factory=set)
    read: dict[str, int] = field(default_factory=dict)

    def run(self) -> None:
        """Update the tiles, publish every requested day that is not published yet or is restated, and fill the report.

        Raises UserError, GateRefused and Stopped, as `build_profiles` says.
        """
        self.report.unit = "users"
        tiles = (*TRANSACTION_TILES.tables, *EVENT_TILES.tables)
        tables = (*tiles, USER_PROFILES)
        # a past day cannot always be computed as it was published, so a damaged log of the profiles is not rebuilt
        undone = [*put_all_right(self.store, tiles, anew=True), *put_all_right(self.store, [USER_PROFILES])]
        self.store.check_targets(tables, "replace")
        undone += self._set_aside()
        # Read before the sources, so that all days published by now were made from sources no newer than this run's.
        live = self.store.find(USER_PROFILES.name)
        sources = read_sources(self.store)
        self.report.tables |= {name: {"read": snapshot.version} for name, snapshot in sources.items()}
        self.read = rows_of(sources)
        if absent := missing(sources):
            self.report.metrics["tables that are not there"] = absent
            self.report.message = missing_master_data(sources)
        self.report.rows.read = read = sources[TRANSACTIONS.name].rows
        if not read:
            self.report.gates = [shrinking(self.config.gates.rows, TRANSACTIONS.name, 0, 0, live.rows if live else 0)]
            refuse_if_failed(self.report.gates)
        self.spark.conf.set("spark.sql.session.timeZone", self.config.timezone)
        tasks = max(self.spark.sparkContext.defaultParallelism, -(-read // _ROWS_PER_TASK))
        self.spark.conf.set("spark.sql.shuffle.partitions", str(tasks))
        updates = self._tiles(sources)
        newest = updates[TRANSACTIONS.name].snapshots[USER_DAILY.name].bounds("day").values()
        requested, restated = requested_days(self.config, max((high for _, high in newest), default=None))
        requested, restated = sorted({*requested, *self.damaged_days}), restated | self.damaged_days
        done = publish.published_days(live)
        todo = [d for d in requested if d not in done or d in restated]
        published = []
        if todo:
            inputs, money = self._inputs(sources, updates)
            for d in todo:
                try:
                    if self._day(d, inputs, money.before(d), publish.files_of_day(live, d)):
                        published.append(d)
                except Superseded:
                    if d in restated:  # the other run may have read older sources
                        raise Stopped(
                            f"as_of {d}: another run published the day in the meantime; start this run again"
                        ) from None
        for table in tables:
            move_away(self.store, table, self.damaged[table.name])
        self.report.outcome = "published" if published or undone else "nothing to do"
        self.report.message = "; ".join(filter(None, [*undone, self.report.message]))
        self.report.metrics["days"] = {"asked": len(requested), "published": len(published)}
        if snapshot := self.store.find(USER_PROFILES.name):
            self.report.tables[USER_PROFILES.name] = {"written" if published else "read": snapshot.version}
            newest_files = publish.files_of_day(snapshot, requested[-1])
            self.report.highlights = {
                "users": f"{sum(file.rows for file in newest_files):,}",
                "as_of": str(requested[-1]),
                "days published": f"{len(published)} of {len(requested)}",
            }
            self.report.figures += figures(publish.scan(self.store, newest_files))

    def _set_aside(self) -> list[str]:
        """Find damaged files of tiles and profiles, arrange that they are made anew, and return sentences about them.

        The commit metadata of a tile table with a damaged file loses its entry `recipe`, so that `Tiler` rebuilds the
        tiles. The days of damaged profile files go into `damaged_days`.
        """
        sentences = []
        for table in (*TRANSACTION_TILES.tables, *EVENT_TILES.tables, USER_PROFILES):
            self.damaged[table.name], said = publish_anew(self.store, table, self.report.run_id, ("recipe",))
            sentences.append(said)
        self.damaged_days = {date.fromisoformat(str(f.partition["as_of"])) for f in self.damaged[USER_PROFILES.name]}
        return [said for said in sentences if said]

    def _tiles(self, sources: dict[str, Snapshot]) -> dict[str, Update]:
        """Bring the tiles of transactions and events up to date, and return the outcome of each update by source table.

        Another run may have updated the tiles from a newer version of a source. So `sources` is changed to the versions
        from which the tiles were made.
        """
        updates = {}
        for tiling in (TRANSACTION_TILES, EVENT_TILES):
            name = tiling.source.name
            if name not in sources:
                continue
            with self.report.stage(f"tiles of {name}") as stage:
                tiler = Tiler(self.spark, self.store, tiling, self.config.timezone, self.report.run_id)
                updates[name] = done = tiler.update(sources[name])
                stage.rows = done.rows_read
            main = done.snapshots[tiling.sinks[0][0].name]
            sources[name] = self.store.recall(name, main.metadata["source"]["version"]) or sources[name]
            for table, snapshot in done.snapshots.items():
                self.report.tables[table] = {"read" if done.how == "unchanged" else "written": snapshot.version}
            figures_of_update = {k: v for k, v in vars(done).items() if k != "snapshots" and v is not None}
            self.report.metrics[f"tiles of {name}"] = figures_of_update
        rejects = updates[TRANSACTIONS.name].snapshots[TRANSACTIONS_REJECTS.name].read(["reason", "rows"])
        for row in rejects.group_by("reason").aggregate([("rows", "sum")]).to_pylist():
            self.report.rejects[row["reason"]] = row["rows_sum"]
        self.report.rows.rejected = sum(self.report.rejects.values())
        return updates

    def _day(self, as_of: date, inputs: Inputs, money: tuple[int, int], replaced: Sequence[FileRef]) -> bool:
        """Compute, judge and publish one day; return False if the published day already has the same content.

        Args:
            as_of: The day.
            inputs: Tiles and joined tables.
            money: Cents of the source and cents of the rejects, both before the day.
            replaced: The day's published files when the run began.

        Raises:
            Superseded: Another run published the day since this one began.
            UserError: Nothing is known about any user before the day.
            GateRefused: A gate refused the day's profiles.
        """
        config = self.config
        try:
            with self.report.stage("profiles") as stage:
                rules = (config.half_life_days, config.private_brands)
                frame = profiles(inputs, as_of, *rules, self.report.run_id, config.knowledge_cut)
                written = publish.write(frame, self.store, as_of, f"{self.report.run_id}-{new_run_id()[-6:]}")
                stage.rows = sum(f.rows for f in written)
            if not written:
                raise UserError(f"as_of {as_of}: nothing is known about any user before that day")
            return self._judged(as_of, written, replaced, money)
        finally:
            self.spark.catalog.clearCache()

    def _judged(
        self, as_of: date, written: Sequence[DataFile], replaced: Sequence[FileRef], money: tuple[int, int]
    ) -> bool:
        """Judge one day's written files and publish them; return False if the published day has the same content.

        Files that are not published are deleted.
        """
        store = self.store
        with Publication(store, self.report.run_id) as publication:
            publication.add(USER_PROFILES, written)
            with self.report.stage("gates"):
                live = store.find(USER_PROFILES.name)
                earlier = [d for d in publish.published_days(live) if d < as_of]
                before = publish.files_of_day(live, earlier[-1]) if earlier else []
                self.report.gates = publish.judge(store, written, money, replaced, before, self.config.gates)
                share, read = self.config.gates.rows, {name: self.read.get(name, 0) for name in OPTIONAL}
                self.report.gates += publication.judge(USER_PROFILES, share, self.read | read, live, sized=False)
                refuse_if_failed(self.report.gates, str(as_of))
                known = replaced and as_of not in self.damaged_days
                if known and publish.same_content(self.spark, store, written, replaced):
                    unless_changed(replaced, publish.partition(as_of))(store.snapshot(USER_PROFILES.name))
                    return False
            with self.report.stage("commit"):
                publish.publish(publication, as_of, replaced, self.report.run_id)
        self.report.rows.published = (self.report.rows.published or 0) + sum(f.rows for f in written)
        return True

    def _inputs(self, sources: dict[str, Snapshot], updates: dict[str, Update]) -> tuple[Inputs, Money]:
        """Return the tables from which the profiles of any day are computed, and the money by day for the gates.

        The tiles are the stored ones, or with a knowledge cut those that `_tiles_at_cut` computes.
        """
        named = {
            x.table.name: with_trimmed_ids(spark_bridge.read(self.spark, sources[x.table.name], x.columns), *x.ids)
            for x in LOOKUPS
            if x.table.name in sources
        }
        tiles: dict[str, DataFrame] = {}
        if self.config.knowledge_cut is None:
            for update in updates.values():
                tiles |= {n: spark_bridge.read(self.spark, s, s.schema.names) for n, s in update.snapshots.items()}
            rejects = TRANSACTION_TILES.from_rejects(tiles[TRANSACTIONS_REJECTS.name])
        else:
            tiles, rejects = self._tiles_at_cut(sources)
        source = self._known(read_facts(self.spark, TRANSACTION_TILES, sources[TRANSACTIONS.name]))
        with self.report.stage("money"):
            money = Money(_by_day(source.withColumn("rows", F.lit(1))), _by_day(rejects))
        inputs = Inputs(
            daily=tiles[USER_DAILY.name],
            product_daily=tiles[USER_PRODUCT_DAILY.name],
            event_daily=tiles.get(USER_EVENT_DAILY.name),
            **named,
        )
        return inputs, money

    def _tiles_at_cut(self, sources: dict[str, Snapshot]) -> tuple[dict[str, DataFrame], DataFrame]:
        """Compute tiles from the source rows that had been ingested at the knowledge cut, without storing them.

        Returns:
            The tiles by table name, and the rejected transactions as facts with `rows`.
        """
        tiles: dict[str, DataFrame] = {}
        rejects: dict[str, DataFrame] = {}
        for tiling in (TRANSACTION_TILES, EVENT_TILES):
            name = tiling.source.name
            if name in sources:
                lines, rejects[name] = self._known_lines(tiling, sources[name])
                tiles |= {table.name: to_tiles(lines) for table, to_tiles in tiling.sinks}
        return tiles, rejects[TRANSACTIONS.name]

    def _known_lines(self, tiling: Tiling, source: Snapshot) -> tuple[DataFrame, DataFrame]:
        """Return the facts of a source that the tiles use, and the rejected facts, as known at the knowledge cut.

        Only rows that had been ingested by then are used.

        Returns:
            The used facts, at most one per key, with `day` and `bucket`, and the rejected facts with `rows` (number of
            source rows).
        """
        facts = self._known(read_facts(self.spark, tiling, source))
        lines, repeated = split_repeated(tiling, facts, any_void=tiling.void is not None)
        invalid = F.col("reason").isNotNull() & (F.col("reason") != F.lit(tiling.void or ""))
        rejects = facts.where(invalid).withColumn("rows", F.lit(1).cast("bigint"))
        if repeated is not None:
            columns = [*tiling.identity, "rows"]
            rejects = rejects.select(*columns).union(repeated.select(*columns))
        return in_one_bucket(tiling, lines), rejects

    def _known(self, facts: DataFrame) -> DataFrame:
        """Return the facts ingested by the knowledge cut, and those without `ingested_at`; without a cut, all facts."""
        cut = self.config.knowledge_cut
        return facts if cut is None else facts.where(F.coalesce(F.col("ingested_at") <= F.lit(cut), F.lit(True)))


def _by_day(facts: DataFrame) -> dict[date | None, int]:
    """Sum the cents of transactions per day; the key None holds the sum of the facts without a valid time.

    Args:
        facts: TRANSACTION facts with `rows`, the number of source rows that each stands for.
    """
    when = F.when(has_day("transaction_at"), day("transaction_at")).alias("day")
    total = F.sum(net_cents() * F.col("rows")).alias("cents")
    return {r["day"]: r["cents"] for r in facts.groupBy(when).agg(total).collect()}


def build_profiles(spark: SparkSession, config: ProfileConfig, store: Store, report: Report) -> None:
    """Bring tiles and profiles up to date and fill the report; the body of the job `build_user_profiles`.

    Args:
        spark: The session.
        config: Settings of the job.
        store: The warehouse.
        report: Filled while the run proceeds.

    Raises:
        UserError: A source or the configuration does not allow the run.
        GateRefused: A gate refused the transactions or a day's candidate.
        Stopped: Other runs or other programs changed tiles or profiles meanwhile.
    """
    Builder(spark, store, config, report).run()
