"""The job `measure_growth`: measures from `referral_events` how users bring users, and forecasts joins.

A run pins its sources, finds in Spark who brought whom (a forest of cascades), counts, estimates on the driver, checks
the results by gates, and publishes three tables (`cascades`, `growth_forecast`, `growth_cohorts`), each in one commit,
and an HTML page. Nothing is done if sources and settings are those of the live tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shopbatch.capabilities.growth import facts, tree
from shopbatch.capabilities.growth.cells import Grid, grid
from shopbatch.capabilities.growth.config import MeasureConfig
from shopbatch.capabilities.growth.factors import Factors, estimate
from shopbatch.capabilities.growth.forecast import Fan, forecast
from shopbatch.capabilities.growth.measure_gates import judge
from shopbatch.capabilities.growth.moments import moment_before
from shopbatch.capabilities.growth.page import PAGE, write_page
from shopbatch.capabilities.growth.rows import Measured, cohort_rows, forecast_rows
from shopbatch.core.crash_points import crash_point
from shopbatch.core.errors import Stopped
from shopbatch.runs.report import Report, new_run_id, run_folder
from shopbatch.tables.growth import CASCADES, GROWTH_COHORTS, GROWTH_FORECAST
from shopbatch.tables.referral_events import REFERRAL_EVENTS
from shopbatch.tables.schema import Table
from shopbatch.tables.transactions import TRANSACTIONS
from shopbatch.warehouse import files, spark_bridge
from shopbatch.warehouse.damage import move_away, put_in_order
from shopbatch.warehouse.files import DataFile, FileRef
from shopbatch.warehouse.gates import refuse_if_failed
from shopbatch.warehouse.publish import Publication, Superseded, rows_of, unless_changed
from shopbatch.warehouse.store import Snapshot, Store

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

VERSION = 1  # of the rows; raised when their meaning changes
RETAINED = 12  # weeks after the join for which retention is computed
_ROWS_PER_FILE = 500_000
_EVENTS = ("event_id", "inviter_id", "invitee_id", "channel", "kind", "at", "ingested_at")
TABLES = (CASCADES, GROWTH_FORECAST, GROWTH_COHORTS)  # in the order in which they are committed


@dataclass
class Measurement:
    """One run of `measure_growth`.

    Attributes:
        spark: The Spark session.
        store: The warehouse.
        config: Settings of the job.
        report: The report of the run, which `run` fills.
    """

    spark: SparkSession
    store: Store
    config: MeasureConfig
    report: Report

    def run(self) -> None:
        """Bring `cascades`, `growth_forecast` and `growth_cohorts` up to date, and write the HTML page.

        Raises:
            UserError: No referral event has a time, or a table is missing.
            GateRefused: A gate did not pass.
            Stopped: Another run published a table meanwhile.
        """
        report, store = self.report, self.store
        report.unit = "cascades"
        damaged: dict[str, list[FileRef]] = {}
        said = []
        for table in TABLES:
            damaged[table.name], sentence = put_in_order(store, table, report.run_id)
            said.append(sentence)
        undone = "; ".join(filter(None, said))
        sources = self._sources()
        live = {table.name: store.find(table.name) for table in TABLES}
        events = sources[REFERRAL_EVENTS.name]
        as_of = moment_before(self.config.as_of, events, -self.config.rules.settle_days)
        origin = self._origin(sources, as_of)
        if all(s is not None and s.metadata.get("origin") == origin for s in live.values()) and self._page_is_there(
            live
        ):
            report.outcome = "published" if undone else "nothing to do"
            report.message = undone
            for name, snapshot in live.items():
                assert snapshot is not None
                report.tables[name] = {"read": snapshot.version}
            return
        try:
            few = events.rows <= spark_bridge.FEW
            with (
                spark_bridge.for_few_rows(self.spark)
                if few
                else spark_bridge.for_many_shuffles(self.spark, events.rows)
            ):
                self._publish(sources, as_of, origin, live)
        finally:
            self.spark.catalog.clearCache()
        for table in TABLES:
            move_away(store, table, damaged[table.name])
        report.message = "; ".join(filter(None, [undone, report.message]))

    def _sources(self) -> dict[str, Snapshot]:
        store = self.store
        sources = {REFERRAL_EVENTS.name: store.require(REFERRAL_EVENTS, _EVENTS)}
        if store.exists(TRANSACTIONS.name):
            sources[TRANSACTIONS.name] = store.require(TRANSACTIONS, ("user_id", "transaction_at"))
        self.report.tables |= {name: {"read": snapshot.version} for name, snapshot in sources.items()}
        return sources

    def _origin(self, sources: Mapping[str, Snapshot], as_of: datetime) -> dict[str, Any]:
        made_from = {name: {"table_id": s.table_id, "version": s.version} for name, s in sorted(sources.items())}
        settings = self.config.model_dump(mode="json", exclude={"platform", "wait", "gates", "as_of"})
        return {"version": VERSION, "settings": settings, "as_of": as_of.isoformat(), "tables": made_from}

    def _page_is_there(self, live: Mapping[str, Snapshot | None]) -> bool:
        snapshot = live[GROWTH_COHORTS.name]
        run = str(snapshot.metadata.get("run_id", "")) if snapshot else ""
        fs, path = files.filesystem(f"{run_folder(self.store.root, self.report.job, run)}/{PAGE}")
        return bool(run) and bool(fs.get_file_info(path).is_file)

    def _publish(
        self,
        sources: dict[str, Snapshot],
        as_of: datetime,
        origin: dict[str, Any],
        live: Mapping[str, Snapshot | None],
    ) -> None:
        report, store = self.report, self.store
        events = tree.latest(self._read(sources[REFERRAL_EVENTS.name], _EVENTS), as_of).cache()
        with Publication(store, report.run_id) as publication:
            with report.stage("cascades") as stage:
                woods = tree.forest(events, self.config.rules.two_inviters)
                written = self._cascades(woods.users)
                publication.add(CASCADES, written)
                cascades = stage.rows = sum(f.rows for f in written)
            with report.stage("measure"):
                measured = self._measure(woods.users, events, sources, grid(as_of, self.config.weeks))
                for table, data in (
                    (GROWTH_COHORTS, cohort_rows(measured, report.run_id)),
                    (GROWTH_FORECAST, forecast_rows(measured, report.run_id)),
                ):
                    folder = f"{report.run_id}-{new_run_id()[-6:]}"
                    publication.add(table, [store.write_file(table, data, folder, 0)])
            with report.stage("gates"):
                share, before = self.config.gates.rows, live[CASCADES.name]
                report.gates = judge(store, written, woods, measured, before, share)
                read = rows_of({name: sources.get(name) for name in (REFERRAL_EVENTS.name, TRANSACTIONS.name)})
                report.gates += publication.judge(CASCADES, share, read, before, sized=False)
                refuse_if_failed(report.gates)
            crash_point("growth_written")
            for table in TABLES:
                self._commit(publication, table, origin, live[table.name])
        report.outcome = "published"
        report.rows.read = sources[REFERRAL_EVENTS.name].rows
        report.rows.published = report.rows.computed = cascades
        self._say(measured, woods)
        with report.stage("page"):
            write_page(store, report, measured, woods.users)

    def _commit(self, publication: Publication, table: Table, origin: dict[str, Any], live: Snapshot | None) -> None:
        metadata = {"job": self.report.job, "run_id": self.report.run_id, "origin": origin}
        check = unless_changed(live.files if live else [])
        try:
            done = publication.commit(table, metadata, check=check)
        except Superseded as error:
            raise Stopped(f"{error}; start this run again") from None
        crash_point("growth_committed")
        self.report.tables[table.name] = {"written": done.version}

    def _cascades(self, users: DataFrame) -> list[DataFile]:
        made = tree.cascades(users).withColumn("run_id", F.lit(self.report.run_id)).select(*CASCADES.names)
        placed = made.repartitionByRange("root_id").sortWithinPartitions("root_id")
        folder = f"{self.report.run_id}-{new_run_id()[-6:]}"
        return spark_bridge.write(placed, self.store, CASCADES, folder, None, _ROWS_PER_FILE)

    def _measure(self, users: DataFrame, events: DataFrame, sources: Mapping[str, Snapshot], cells: Grid) -> Measured:
        config = self.config
        invited, alone = tree.channel_names(users, config.channels)
        names = [*invited, *alone]
        counts = facts.count(users, cells, names, len(invited), config.intervals.resamples)
        factors: Factors = estimate(counts, config.intervals.confidence)
        days = max(config.forecast.recent_days, 7 * config.weeks)
        joins, came = facts.daily_joins(users, cells, names, days)
        recent = came[-config.forecast.recent_days :]
        fan: Fan = forecast(counts, factors, recent, config.forecast.days, config.forecast.seed)
        bought = self._bought(events, sources)
        return Measured(
            cells=cells,
            names=names,
            counts=counts,
            factors=factors,
            fan=fan,
            joins=joins,
            funnel=facts.funnel(events, names),
            retention=facts.retention(users, bought, cells, names, RETAINED),
        )

    def _bought(self, events: DataFrame, sources: Mapping[str, Snapshot]) -> DataFrame:
        """Return purchases (user_id, at): those of `transactions` if it exists, else those in `referral_events`."""
        if TRANSACTIONS.name in sources:
            rows = self._read(sources[TRANSACTIONS.name], ("user_id", "transaction_at"))
            return rows.select(F.trim("user_id").alias("user_id"), F.col("transaction_at").alias("at"))
        return events.where("kind = 'bought'").select(F.col("invitee_id").alias("user_id"), "at")

    def _read(self, snapshot: Snapshot, columns: tuple[str, ...]) -> DataFrame:
        return spark_bridge.read(self.spark, snapshot, columns)

    def _say(self, measured: Measured, woods: tree.Forest) -> None:
        system, whole, cycle = (getattr(measured.factors, n) for n in ("system", "whole", "system_cycle"))

        def shown(number: Any) -> str:
            return f"{number.value[0]:.2f} ({number.low[0]:.2f} to {number.high[0]:.2f})"

        self.report.highlights = {
            "system K": shown(system),
            "mean K": shown(whole),
            "cycle time, days": shown(cycle),
            f"joins expected in {len(measured.fan.joins)} days": f"{measured.fan.total[-1]:,.0f}",
        }
        self.report.metrics |= {
            "as_of": measured.cells.as_of.isoformat(),
            "left out": woods.dropped,
            "rounds of pointer doubling": woods.rounds,
            "channels with the delay of all": [
                n for n, shared in zip(measured.names, measured.factors.shared_delay, strict=False) if shared
            ],
        }


def measure_growth(spark: SparkSession, config: MeasureConfig, store: Store, report: Report) -> None:
    """Measure how users bring users and forecast joins; publish three tables and an HTML page.

    The tables are `growth_cohorts` (K by channel and weekly cohort), `cascades` and `growth_forecast`.

    Args:
        spark: The Spark session.
        config: Settings of the job.
        store: The warehouse.
        report: The report of the run.

    Raises:
        UserError: No referral event has a time, or a table is missing.
        GateRefused: A gate did not pass.
        Stopped: Another run published a table meanwhile.
    """
    Measurement(spark, store, config, report).run()
