"""The job `segment_users`: reads a day of `user_profiles` and publishes the same day of `user_segments`.

Days are made in ascending order, because each day depends on the one before: on its edges between bands, and on each
user's former band, segment and cluster.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import polars as pl
from pyspark.sql import functions as F

from shopbatch.capabilities.marketing.days import Daily, partition
from shopbatch.capabilities.marketing.segments import measures
from shopbatch.capabilities.marketing.segments.clusters import Centres, cluster_of, find_clusters
from shopbatch.capabilities.marketing.segments.config import SegmentUsersConfig
from shopbatch.capabilities.marketing.segments.measures import BASIS, Edges
from shopbatch.capabilities.marketing.segments.page import fill_report
from shopbatch.capabilities.marketing.segments.scheme import Scheme, find
from shopbatch.core.hashing import digest
from shopbatch.runs.report import Report
from shopbatch.tables.user_profiles import USER_PROFILES
from shopbatch.tables.user_segments import USER_SEGMENTS
from shopbatch.warehouse import files, spark_bridge
from shopbatch.warehouse.gates import FEW_ROWS, Gate, explain
from shopbatch.warehouse.store import Snapshot, Store

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

VERSION = 1  # of the rows; raised when their meaning changes
_BEFORE = ("user_id", "segment", "since", "bands", "cluster")


@dataclass
class Segmentation:
    """One run of `segment_users`.

    Attributes:
        spark: The Spark session.
        config: Settings of the job.
        daily: Finds and publishes the days of `user_segments`.
        profiles: `user_profiles`, pinned to one version.
        name: Name of the scheme.
        scheme: The rules.
    """

    spark: SparkSession
    config: SegmentUsersConfig
    daily: Daily
    profiles: Snapshot
    name: str
    scheme: Scheme

    def run(self) -> None:
        """Publish every wanted day that is not up to date, and write the page of the last one.

        Raises:
            UserError: `user_profiles` holds none of the wanted days.
            GateRefused: A gate did not pass.
            Stopped: Another run published the same day meanwhile.
        """
        days, done = self.daily.asked(self.config.as_of, self.profiles), 0
        for day in days:
            before, part = self.daily.before(day), self.profiles.part(partition(day))
            origin = self._origin(part, before)
            live = self.daily.find(day)
            if live is not None and live.metadata.get("origin") == origin:
                continue
            few = part.rows <= spark_bridge.FEW
            try:
                with spark_bridge.for_few_rows(self.spark) if few else spark_bridge.for_many_groups(self.spark):
                    self._day(day, part, before, origin)
            finally:
                self.spark.catalog.clearCache()
            done += 1
        self.daily.finish(len(days), done)
        shown = self.daily.find(days[-1])
        if shown is not None:
            with self.daily.report.stage("page"):
                profiles = self.profiles.part(partition(days[-1]))
                fill_report(self.spark, self.daily, shown, profiles, self.scheme)

    def _origin(self, part: Snapshot, before: Snapshot | None) -> str:
        """Return the digest of everything that a day is computed from; while it is the same, the day is kept.

        That is the rules, the settings, the day's profiles and the segments of the newest earlier day.
        """
        settings = self.config.model_dump(mode="json", include={"edges_days", "clusters"})
        former = sorted(f.path for f in before.files) if before else []
        return digest([VERSION, self.scheme.identity, settings, sorted(f.path for f in part.files), former])

    def _day(self, day: date, part: Snapshot, before: Snapshot | None, origin: str) -> None:
        report, state = self.daily.report, (before.metadata.get("state") or {}) if before else {}
        report.rows.read = (report.rows.read or 0) + part.rows
        same = state.get("scheme") == self.scheme.identity
        columns = ("user_id", *dict.fromkeys([*BASIS, *self.scheme.columns]))
        profiles = spark_bridge.read(self.spark, part, columns, part.files).cache()
        with report.stage("edges"):
            fresh = same and (day - date.fromisoformat(state["found"])).days < self.config.edges_days
            if fresh:
                edges, found = Edges.of(state["edges"]), str(state["found"])
            else:
                gap = measures.mean_gap(profiles)
                edges = measures.find_edges(measures.with_values(profiles, self.scheme, gap), self.scheme, gap)
                found = day.isoformat()
        valued = measures.with_values(profiles, self.scheme, edges.gap)
        with report.stage("clusters"):
            former = Centres.of(state.get("clusters")) if same else None
            centres, tried = find_clusters(valued, tuple(self.scheme.measures), former, self.config.clusters)
        report.metrics["stability of clusters"] = tried
        report.metrics["edges"] = edges.tree()
        rows = self._rows(day, valued, before, edges, centres)
        about = {
            "origin": origin,
            "state": {
                "scheme": self.scheme.identity,
                "found": found,
                "edges": edges.tree(),
                "clusters": centres.tree() if centres else None,
            },
        }
        self.daily.publish(day, rows, about, _Moved(before, self.config.gates.moved))

    def _rows(
        self, day: date, valued: DataFrame, before: Snapshot | None, edges: Edges, centres: Centres | None
    ) -> DataFrame:
        """Return the rows of a day of `user_segments`, without the column `as_of`."""
        former = self._former(before)
        known = valued.join(former, "user_id", "left")
        put = measures.with_segments(known, self.scheme, edges)
        stays = F.coalesce(F.col("previous") == F.col("segment"), F.lit(False))
        made: dict[str, Any] = {
            "bands": measures.bands_by_name(self.scheme),
            "since": F.when(stays, F.col("was_since")).otherwise(F.lit(day)),
            "cluster": cluster_of(centres, self.config.clusters.margin),
            "scheme": F.lit(f"{self.name}@{self.scheme.identity[:12]}"),
            "run_id": F.lit(self.daily.report.run_id),
        }
        frame = put.withColumns(made).select(*USER_SEGMENTS.file_schema().names).cache()
        return frame.repartitionByRange("user_id").sortWithinPartitions("user_id")

    def _former(self, before: Snapshot | None) -> DataFrame:
        """Return the segment, cluster and bands of each user on the newest earlier day.

        The columns are user_id, previous (the segment), was_since (since when the user is in it), was_cluster, and
        was_<measure> (the band's name). The frame has no rows if there is no earlier day (`before` is None).
        """
        names = {name: f"was_{name}" for name in self.scheme.measures}
        if before is None:
            fields = ", ".join(f"{n} string" for n in ("user_id", "previous", "was_cluster", *names.values()))
            return self.spark.createDataFrame([], f"{fields}, was_since date")
        rows = spark_bridge.read(self.spark, before, _BEFORE, before.files)
        return rows.select(
            "user_id",
            F.col("segment").alias("previous"),
            F.col("cluster").alias("was_cluster"),
            F.col("since").alias("was_since"),
            *(F.col("bands")[name].alias(was) for name, was in names.items()),
        )


class _Moved:
    """The gate "users who moved": limits the share of users whose segment differs from that of the earlier day.

    It passes if fewer than `FEW_ROWS` users were there on the earlier day.
    """

    def __init__(self, before: Snapshot | None, limit: float) -> None:
        self.before, self.limit = before, limit

    def __call__(self, uris: Sequence[str]) -> list[Gate]:
        known = pl.col("previous").is_not_null()
        frame = files.scan(list(uris), USER_SEGMENTS.file_schema())
        moved, both = frame.select(
            (known & (pl.col("previous") != pl.col("segment"))).sum().alias("moved"), known.sum().alias("both")
        ).collect().row(0)  # fmt: skip
        share = moved / both if both else 0.0
        what = f"{share:.1%} of the users changed the segment, more than gates.moved={self.limit:g}"
        why = "that many do so mostly because transactions are missing or the rules were changed"
        do = f"look at the newest profiles; if it is intended, set gates.moved={min(1.0, share + 0.01):.2f}"
        passed = share <= self.limit or both < FEW_ROWS
        note = f"{moved:,} of {both:,} users"
        return [Gate("users who moved", round(share, 4), self.limit, passed, explain(passed, what, why, do, note))]


def segment_users(spark: SparkSession, config: SegmentUsersConfig, store: Store, report: Report) -> None:
    """Segment every wanted day that is not up to date, and publish it in `user_segments`.

    Args:
        spark: The Spark session.
        config: Settings of the job.
        store: The warehouse.
        report: The report of the run.

    Raises:
        UserError: The scheme is not valid, or `user_profiles` holds none of the wanted days.
        GateRefused: A gate did not pass.
        Stopped: Another run published the same day meanwhile.
    """
    report.unit = "users"
    name, scheme = find(config.scheme)
    daily = Daily(store, USER_SEGMENTS, report, config.gates.rows)
    daily.put_in_order()
    profiles = store.require(USER_PROFILES, ("user_id", *BASIS, *scheme.columns))
    report.tables[USER_PROFILES.name] = {"read": profiles.version}
    Segmentation(spark, config, daily, profiles, name, scheme).run()
