"""The door of `build_user_profiles`: sources pinned, tiles brought up to date, each day computed, judged, published."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from shopbatch.capabilities.profiles import publish
from shopbatch.capabilities.profiles import report as figures
from shopbatch.capabilities.profiles.config import ProfileConfig, asked
from shopbatch.capabilities.profiles.features.expressions import day, has_day
from shopbatch.capabilities.profiles.features.profile import Inputs, profiles
from shopbatch.capabilities.profiles.publish import Money
from shopbatch.capabilities.profiles.tiles import Tiler, Update, counting, facts_of, together, valid
from shopbatch.capabilities.profiles.tiling import EVENT_TILES, TRANSACTION_TILES, Tiling
from shopbatch.core.errors import Stopped, UserError
from shopbatch.runs.report import Report, new_run_id
from shopbatch.tables.campaigns import CAMPAIGNS, COUPONS, REDEMPTIONS
from shopbatch.tables.events import EVENTS
from shopbatch.tables.products import PRODUCTS
from shopbatch.tables.review_sentiment import REVIEW_SENTIMENT
from shopbatch.tables.reviews import REVIEWS
from shopbatch.tables.transactions import TRANSACTIONS
from shopbatch.tables.user_daily import TRANSACTIONS_REJECTS, USER_DAILY, USER_EVENT_DAILY, USER_PRODUCT_DAILY
from shopbatch.tables.user_profiles import USER_PROFILES
from shopbatch.tables.users import USERS
from shopbatch.warehouse import spark_bridge as tables
from shopbatch.warehouse.files import DataFile, FileRef
from shopbatch.warehouse.store import Snapshot, Store

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_NEEDED = ((PRODUCTS, ("product_id", "department", "category", "brand")),
           (USERS, ("user_id", "age", "income", "household_size")))  # fmt: skip
_OPTIONAL = (
    (CAMPAIGNS, ("campaign_id", "user_id", "starts_at")),
    (COUPONS, ("campaign_id", "coupon_id")),
    (REDEMPTIONS, ("user_id", "campaign_id", "coupon_id", "redeemed_at")),
    (REVIEWS, ("review_id", "user_id", "created_at")),
    (REVIEW_SENTIMENT, ("review_id", "label", "p_negative", "p_positive")),
)
_ROWS_PER_TASK = 1_000_000


@dataclass
class Builder:
    """One run: its session, warehouse, configuration and report."""

    spark: SparkSession
    store: Store
    config: ProfileConfig
    report: Report

    def run(self) -> None:
        """Publish every day that is asked for and not published. UserError, GateRefused, Stopped."""
        # before the sources: whatever is published then was made of sources no newer than ours
        live = self.store.find(USER_PROFILES.name)
        sources = self._pin()
        self.spark.conf.set("spark.sql.session.timeZone", self.config.timezone)
        rows = sources[TRANSACTIONS.name].rows
        tasks = max(self.spark.sparkContext.defaultParallelism, -(-rows // _ROWS_PER_TASK))
        self.spark.conf.set("spark.sql.shuffle.partitions", str(tasks))
        updates = self._tiles(sources)
        newest = updates[TRANSACTIONS.name].snapshots[USER_DAILY.name].bounds("day").values()
        wanted, again = asked(self.config, max((high for _, high in newest), default=None))
        there = publish.published_days(live)
        todo = [d for d in wanted if d not in there or d in again]
        published = []
        if todo:
            inputs, money = self._inputs(sources, updates)
            for d in todo:
                try:
                    if self._day(d, inputs, money.before(d), publish.of_day(live, d)):
                        published.append(d)
                except publish.AlreadyThere:
                    if d in again:  # the other run may have read older sources
                        raise Stopped(f"as_of {d}: another run published the day meanwhile") from None
        self.report.outcome = "published" if published else "nothing to do"
        self.report.metrics["days"] = {"asked": len(wanted), "published": len(published)}
        if snapshot := self.store.find(USER_PROFILES.name):
            self.report.tables[USER_PROFILES.name] = {"written" if published else "read": snapshot.version}
            self.report.figures += figures.draw(publish.scan(self.store, publish.of_day(snapshot, wanted[-1])))

    def _pin(self) -> dict[str, Snapshot]:
        """One snapshot of every source, its columns checked. UserError names what is missing or of another type."""
        sources = {t.name: self.store.require(t, c) for t, c in ((TRANSACTIONS, TRANSACTION_TILES.columns), *_NEEDED)}
        for table, columns in (*_OPTIONAL, (EVENTS, EVENT_TILES.columns)):
            if self.store.exists(table.name):
                sources[table.name] = self.store.require(table, columns)
        self.report.tables |= {name: {"read": snapshot.version} for name, snapshot in sources.items()}
        self.report.rows.read = sources[TRANSACTIONS.name].rows
        return sources

    def _tiles(self, sources: dict[str, Snapshot]) -> dict[str, Update]:
        """Bring the tiles up to date; `sources` then holds the versions that they are of."""
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
            told = {k: v for k, v in vars(done).items() if k != "snapshots" and v is not None}
            self.report.metrics[f"tiles of {name}"] = told
        rejects = updates[TRANSACTIONS.name].snapshots[TRANSACTIONS_REJECTS.name].read(["reason", "rows"])
        for row in rejects.group_by("reason").aggregate([("rows", "sum")]).to_pylist():
            self.report.rejects[row["reason"]] = row["rows_sum"]
        self.report.rows.rejected = sum(self.report.rejects.values())
        return updates

    def _day(self, as_of: date, inputs: Inputs, money: tuple[int, int], replaced: Sequence[FileRef]) -> bool:
        """Compute, judge and publish a day; False where it already says the same. AlreadyThere if it changed meanwhile.

        money: cents of the source before the day, and of its rejects. replaced: the day's files as the run found them.
        """
        config = self.config
        try:
            with self.report.stage("profiles") as stage:
                rules = (config.half_life_days, config.private_brands)
                frame = profiles(inputs, as_of, *rules, self.report.run_id, config.knowledge_cut)
                written = publish.write(frame, self.store, as_of, f"{self.report.run_id}-{new_run_id()[-6:]}")
                stage.rows = sum(f.rows for f in written)
            if not written:
                raise UserError(f"as_of {as_of}: nothing is known of any user before that day")
            return self._judged(as_of, written, replaced, money)
        finally:
            self.spark.catalog.clearCache()

    def _judged(
        self, as_of: date, written: Sequence[DataFile], replaced: Sequence[FileRef], money: tuple[int, int]
    ) -> bool:
        """Judge the day's files and publish them; what is not published is deleted."""
        store, kept = self.store, False
        try:
            with self.report.stage("gates"):
                live = store.find(USER_PROFILES.name)
                earlier = [d for d in publish.published_days(live) if d < as_of]
                before = publish.of_day(live, earlier[-1]) if earlier else []
                self.report.gates = publish.judge(store, written, money, before, self.config.gates)
                publish.refuse(self.report.gates, as_of)
                if replaced and publish.same(self.spark, store, written, replaced):
                    publish.unchanged(store.find(USER_PROFILES.name), as_of, replaced)
                    return False
            metadata = {"job": self.report.job, "run_id": self.report.run_id, "as_of": as_of.isoformat()}
            with self.report.stage("commit"):
                publish.publish(store, as_of, written, replaced, metadata)
            kept = True
            self.report.rows.published = (self.report.rows.published or 0) + sum(f.rows for f in written)
            return True
        finally:
            if not kept:
                store.discard(USER_PROFILES, written)

    def _inputs(self, sources: dict[str, Snapshot], updates: dict[str, Update]) -> tuple[Inputs, Money]:
        """What the profiles of any day are made of, and the money that they must account for."""
        named = {
            t.name: tables.read(self.spark, sources[t.name], c) for t, c in (*_NEEDED, *_OPTIONAL) if t.name in sources
        }
        tiles: dict[str, DataFrame] = {}
        if self.config.knowledge_cut is None:
            for update in updates.values():
                tiles |= {n: tables.read(self.spark, s, s.schema.names) for n, s in update.snapshots.items()}
            lost = TRANSACTION_TILES.from_rejects(tiles[TRANSACTIONS_REJECTS.name])
        else:
            tiles, lost = self._known(sources)
        source = self._cut(facts_of(self.spark, TRANSACTION_TILES, sources[TRANSACTIONS.name]))
        with self.report.stage("money"):
            money = Money(_by_day(source.withColumn("rows", F.lit(1))), _by_day(lost))
        inputs = Inputs(
            daily=tiles[USER_DAILY.name],
            product_daily=tiles[USER_PRODUCT_DAILY.name],
            event_daily=tiles.get(USER_EVENT_DAILY.name),
            **named,
        )
        return inputs, money

    def _known(self, sources: dict[str, Snapshot]) -> tuple[dict[str, DataFrame], DataFrame]:
        """Tiles of what was known at the cut, from the sources themselves, and the transactions that count in none."""
        tiles: dict[str, DataFrame] = {}
        lost = None
        for tiling in (TRANSACTION_TILES, EVENT_TILES):
            if tiling.source.name in sources:
                lines, out = self._known_of(tiling, sources[tiling.source.name])
                tiles |= {table.name: to_tiles(lines) for table, to_tiles in tiling.sinks}
                lost = out if tiling is TRANSACTION_TILES else lost
        assert lost is not None
        return tiles, lost

    def _known_of(self, tiling: Tiling, source: Snapshot) -> tuple[DataFrame, DataFrame]:
        """The lines of a source as known at the cut, and the facts that do not count."""
        facts = self._cut(facts_of(self.spark, tiling, source))
        lines, repeated = counting(tiling, valid(facts))
        lost = facts.where("reason is not null").withColumn("rows", F.lit(1).cast("bigint"))
        if repeated is not None:
            lost = lost.select(*tiling.identity, "rows").union(repeated.select(*tiling.identity, "rows"))
        return together(tiling, lines), lost

    def _cut(self, facts: DataFrame) -> DataFrame:
        cut = self.config.knowledge_cut
        return facts if cut is None else facts.where(F.coalesce(F.col("ingested_at") <= F.lit(cut), F.lit(True)))


def _by_day(facts: DataFrame) -> dict[date | None, int]:
    """Cents of transactions by their day; under None those without one."""
    when = F.when(has_day("transaction_at"), day("transaction_at")).alias("day")
    total = F.sum(F.coalesce("sales_cents", F.lit(0)) * F.col("rows")).alias("cents")
    return {r["day"]: r["cents"] for r in facts.groupBy(when).agg(total).collect()}


def build_profiles(spark: SparkSession, config: ProfileConfig, store: Store, report: Report) -> None:
    """Bring tiles and profiles up to date and fill the report. Raises UserError, GateRefused, Stopped."""
    Builder(spark, store, config, report).run()
