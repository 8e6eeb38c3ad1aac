"""The job `summarise_reviews`: sums up `review_aspects` in `product_aspects` and in a page for the merchant.

A run pins snapshots of its sources, counts mentions in Spark, estimates shares and changes, checks the result by gates,
and publishes the whole table in one commit. If the sources and the settings are those of the published version, there
is nothing to do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shopbatch.capabilities.insights import summarise_counts as counts
from shopbatch.capabilities.insights.config_summary import SummariseConfig
from shopbatch.capabilities.insights.page import PAGE, write_page
from shopbatch.capabilities.insights.summarise_estimates import ADDED, Rules, add_estimates
from shopbatch.capabilities.insights.summarise_gates import Facts, judge, read_facts
from shopbatch.capabilities.insights.summarise_labels import TABLE_OF, Labelled, read_labels, table_counts
from shopbatch.capabilities.insights.windows import Calendar, calendar
from shopbatch.core.crash_points import crash_point
from shopbatch.core.errors import Stopped
from shopbatch.evaluation.changes import discovery_threshold, exact_p_values
from shopbatch.runs.report import Report, new_run_id, run_folder
from shopbatch.tables import TABLES
from shopbatch.tables.product_aspects import EVERY, PRODUCT_ASPECTS
from shopbatch.tables.products import PRODUCTS
from shopbatch.tables.review_aspects import ASPECT_LABELS, REMARKS, REVIEW_ASPECTS
from shopbatch.tables.review_sentiment import REVIEW_SENTIMENT
from shopbatch.tables.reviews import REVIEWS
from shopbatch.warehouse import files, spark_bridge
from shopbatch.warehouse.damage import move_away, put_in_order
from shopbatch.warehouse.files import DataFile
from shopbatch.warehouse.gates import refuse_if_failed
from shopbatch.warehouse.publish import Publication, Superseded, rows_of, unless_changed
from shopbatch.warehouse.store import Snapshot, Store

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

VERSION = 1  # of the rows; raised when their meaning changes
_ROWS_PER_FILE = 200_000
_PRODUCT_COLUMNS = ("product_id", "product_type", "category", "department", "division", "updated_at")


@dataclass
class Summary:
    """One run of `summarise_reviews`.

    Attributes:
        spark: The Spark session.
        store: The warehouse.
        config: Settings of the job.
        report: The report of the run, which is filled in.
    """

    spark: SparkSession
    store: Store
    config: SummariseConfig
    report: Report

    def run(self) -> None:
        """Publish `product_aspects` anew if a source or setting has changed, and write the page if it is out of date.

        Raises:
            UserError: A source is missing, or the table cannot be read or written.
            GateRefused: The new table fails a gate.
            Stopped: Another run published the table meanwhile.
        """
        report, store = self.report, self.store
        report.unit = "numbers"
        damaged, undone = put_in_order(store, PRODUCT_ASPECTS, report.run_id)
        live, sources = store.find(PRODUCT_ASPECTS.name), self._sources()
        with report.stage("facts"):
            facts = read_facts(sources[REVIEW_ASPECTS.name])
        windows = calendar(self.config.windows, facts.newest, datetime.now(UTC).date())
        report.metrics["reviews"] = {"read": facts.reviews, **facts.outside(windows)}
        origin = self._origin(sources, windows)
        if live is not None and live.metadata.get("origin") == origin:
            report.outcome = "published" if undone else "nothing to do"
            report.message = undone
            report.tables[PRODUCT_ASPECTS.name] = {"read": live.version}
            report.highlights = {"numbers": f"{live.rows:,}"}
        else:
            few = facts.mentions + facts.reviews <= spark_bridge.FEW
            try:
                with spark_bridge.for_few_rows(self.spark) if few else spark_bridge.for_many_groups(self.spark):
                    live = self._publish(sources, facts, windows, origin, live)
            finally:
                self.spark.catalog.clearCache()
            move_away(store, PRODUCT_ASPECTS, damaged)
            report.message = "; ".join(filter(None, [undone, report.message]))
        if self._page_is_due(live):
            crash_point("summary_committed")
            write_page(store, report, live, sources, self.config)

    def _sources(self) -> dict[str, Snapshot]:
        """Pin one snapshot of each source table that the warehouse has; return them by table name."""
        store = self.store
        sources = {REVIEW_ASPECTS.name: store.require(REVIEW_ASPECTS, REVIEW_ASPECTS.names)}
        sources[REVIEWS.name] = store.require(REVIEWS, ("review_id", "text"))
        for table, columns in (
            (PRODUCTS, ("product_id",)),
            (REVIEW_SENTIMENT, ("review_id", "label", "p_negative", "p_positive")),
            (ASPECT_LABELS, ("sentence_id", "aspect", "review_id", "text", "polarity")),
        ):
            if store.exists(table.name):
                sources[table.name] = store.require(table, columns)
        self.report.tables |= {name: {"read": snapshot.version} for name, snapshot in sources.items()}
        return sources

    def _origin(self, sources: Mapping[str, Snapshot], windows: Calendar | None) -> dict[str, Any]:
        """Return what the published rows depend on, for the table's metadata.

        It names the settings, the windows, and the version of each source that can change a number. If it equals the
        `origin` of the live table, the rows need not be counted again.
        """
        made_from = {
            name: {"table_id": s.table_id, "version": s.version}
            for name, s in sorted(sources.items())
            if name != "reviews"
        }
        settings = self.config.model_dump(
            mode="json", include={"category", "least", "false_discoveries", "quotes", "labels"}
        )
        days = [] if windows is None else [d.isoformat() for d in (*windows.starts, windows.as_of)]
        return {"version": VERSION, "settings": settings, "windows": days, "tables": made_from}

    def _shown(self) -> dict[str, Any]:
        """Return the settings that change only the page, not the table."""
        return self.config.model_dump(mode="json", include={"page", "discovery"})

    def _page_is_due(self, live: Snapshot) -> bool:
        """Return True if the page of the live version is missing or was written with other page settings."""
        run = str(live.metadata.get("run_id", ""))
        if not run or live.metadata.get("shown") != self._shown():
            return True
        fs, path = files.filesystem(f"{run_folder(self.store.root, self.report.job, run)}/{PAGE}")
        return not fs.get_file_info(path).is_file

    def _publish(
        self,
        sources: dict[str, Snapshot],
        facts: Facts,
        windows: Calendar | None,
        origin: dict[str, Any],
        live: Snapshot | None,
    ) -> Snapshot:
        """Count, check and commit the table; return its new snapshot.

        Args:
            sources: Snapshots of the source tables, by name.
            facts: Totals of `review_aspects` that the counts must add up to.
            windows: The time windows; None if no review has a date.
            origin: What the rows depend on (see `_origin`), for the table's metadata.
            live: The published version; None if there is none.

        Raises:
            GateRefused: The sources or the new table fail a gate.
            Stopped: Another run published the table meanwhile.
        """
        report, store, run_id = self.report, self.store, self.report.run_id
        report.gates = judge(facts, None, 0, live.rows if live else 0, self.config.gates.rows)
        refuse_if_failed(report.gates)
        with report.stage("count") as stage:
            rows = self._rows(sources, facts, windows)
            alarms = self._alarms(rows)
            written = self._write(rows, alarms, facts, windows)
            stage.rows = facts.reviews
        published = sum(f.rows for f in written)
        with Publication(store, run_id) as publication:
            publication.add(PRODUCT_ASPECTS, written)
            with report.stage("gates"):
                uris = [f"{store.uri(PRODUCT_ASPECTS.name)}/{f.path}" for f in written]
                share, beside = self.config.gates.rows, (PRODUCTS, REVIEW_SENTIMENT, ASPECT_LABELS)
                report.gates = judge(facts, uris, published, live.rows if live else 0, share)
                read = rows_of({table.name: sources.get(table.name) for table in (REVIEW_ASPECTS, *beside)})
                report.gates += publication.judge(PRODUCT_ASPECTS, share, read, live, sized=False)
                refuse_if_failed(report.gates)
            crash_point("summary_written")
            metadata = {"job": report.job, "run_id": run_id, "origin": origin, "shown": self._shown()}
            try:
                done = publication.commit(PRODUCT_ASPECTS, metadata, check=unless_changed(live.files if live else []))
            except Superseded as error:
                raise Stopped(f"{error}; start this run again") from None
        report.outcome = "published"
        report.recipe = facts.recipe
        report.rows.read, report.rows.published, report.rows.computed = published, published, published
        report.tables[PRODUCT_ASPECTS.name] = {"written": done.version}
        self._say(facts, windows, alarms, published)
        return store.snapshot(PRODUCT_ASPECTS.name)

    def _rows(self, sources: dict[str, Snapshot], facts: Facts, windows: Calendar | None) -> DataFrame:
        """Return the rows of `product_aspects`: counts, quotes, estimates and p-values, before the alarms are set.

        There is one row per level (product, category or the whole shop), name, aspect and time window.
        """
        groups = None
        if PRODUCTS.name in sources:
            groups = counts.categories(self._read(sources[PRODUCTS.name], _PRODUCT_COLUMNS), self.config.category)
        sentiment = self._read(sources[REVIEW_SENTIMENT.name]) if REVIEW_SENTIMENT.name in sources else None
        mentioned = counts.mentions(self._read(sources[REVIEW_ASPECTS.name]), sentiment, groups, windows)
        cells = counts.cells(mentioned, self.config.quotes, REMARKS).cache()
        labelled = read_labels(
            self.store, sources.get(ASPECT_LABELS.name), sources[REVIEW_ASPECTS.name], sources[REVIEWS.name],
            self.config.labels,
        )  # fmt: skip
        with_labels = self._with_labels(cells, labelled, groups, windows)
        least = self.config.least
        rules = Rules(least.mentions, least.compared, least.labels)
        framed = counts.with_former(with_labels, windows)
        fields = ", ".join(f"{f.name} {f.dataType.simpleString()}" for f in framed.schema)
        return framed.mapInArrow(_Estimator(rules), f"{fields}, {ADDED}").cache()

    def _with_labels(
        self, cells: DataFrame, labelled: Labelled, groups: DataFrame | None, windows: Calendar | None
    ) -> DataFrame:
        """Add two list columns with numbers of labelled mentions to the rows of `summarise_counts.cells`.

        A labelled mention is one for which a person's label is known. Each list has four numbers: mentions that are
        negative by label and prediction, only by label, only by prediction, and by neither.

        - `labelled`: the row's own mentions; null without labels, and for aspects whose labels are not a random sample.
        - `pooled`: all mentions of the row's aspect, of any product and time; null without labels.
        """
        self.report.metrics["labels"] = labelled.said
        pairs, pooled = labelled.pairs, labelled.pooled(self.config.least.labels)
        if pooled.is_empty():
            none = F.lit(None).cast("array<bigint>")
            return cells.withColumns({"labelled": none, "pooled": none})
        known = [p for p in pairs["product_id"].unique().sort().to_list() if p is not None]
        categories: dict[str, str | None] = {}
        if groups is not None and known:
            wanted = self.spark.createDataFrame([(p,) for p in known], "product_id string")
            categories = {
                r["product_id"]: r["category"] for r in groups.join(F.broadcast(wanted), "product_id").collect()
            }
        alike = self._alike(cells, pairs.group_by("aspect").agg(table_counts()).sort("aspect"))
        own = labelled.by_cell(categories, windows).filter(pl.col("aspect").is_in(alike))
        return cells.join(F.broadcast(self._tables(own, counts.KEY, "labelled")), list(counts.KEY), "left").join(
            F.broadcast(self._tables(pooled, ("aspect",), "pooled")), ["aspect"], "left"
        )

    def _tables(self, frame: pl.DataFrame, key: tuple[str, ...], name: str) -> DataFrame:
        """Convert numbers of labelled mentions from Polars to Spark, with the four numbers of a row in one list.

        Args:
            frame: The columns `key`, and four numbers of mentions: both (label and prediction are negative), missed
                (only the label), false (only the prediction) and neither.
            key: Names of the key columns.
            name: Name of the list column.
        """
        rows = [(*(row[k] for k in key), [row[c] for c in TABLE_OF]) for row in frame.iter_rows(named=True)]
        fields = ", ".join(f"`{k}` string" for k in key)
        return self.spark.createDataFrame(rows, f"{fields}, {name} array<bigint>")

    def _alike(self, cells: DataFrame, pooled: pl.DataFrame) -> list[str]:
        """Return the aspects whose labelled mentions look like a random sample of all mentions of the aspect.

        Fisher's exact test compares the share of negative predictions among the labelled mentions with that among the
        other mentions. If the p-value is below `labels.alike`, the sample is not random, and the report's metrics name
        the aspect.

        Args:
            cells: Rows of `summarise_counts.cells`.
            pooled: One row per aspect, with four numbers of labelled mentions: both (label and prediction are
                negative), missed (only the label), false (only the prediction) and neither.
        """
        whole = cells.where((F.col("level") == "all") & (F.col("window") == EVERY))
        totals = {
            r["aspect"]: (r["negatives"], r["mentions"])
            for r in whole.select("aspect", "negatives", "mentions").collect()
        }
        alike: list[str] = []
        unlike: list[str] = []
        for row in pooled.iter_rows(named=True):
            hits, labels = row["both"] + row["false"], sum(row[c] for c in TABLE_OF)
            negatives, mentions = totals.get(row["aspect"], (0, 0))
            other = [np.array([n]) for n in (hits, labels, negatives - hits, mentions - labels)]
            fits = mentions > labels and exact_p_values(*other)[0] >= self.config.labels.alike
            (alike if fits else unlike).append(row["aspect"])
        if unlike:
            self.report.metrics["labels that are no random sample"] = unlike
        return alike

    def _alarms(self, rows: DataFrame) -> float:
        """Return the p-value at or below which a change raises an alarm (Benjamini and Hochberg); -1 if no change does.

        The numbers of comparisons and alarms are entered into the report.
        """
        values = rows.where("p_value is not null").select("p_value").toArrow()["p_value"].to_numpy()
        self.report.metrics["comparisons"] = len(values)
        threshold = discovery_threshold(values, self.config.false_discoveries)
        alarms = int((values <= threshold).sum()) if threshold > 0 else 0
        self.report.metrics["alarms"] = alarms
        return threshold if alarms else -1.0

    def _write(self, rows: DataFrame, threshold: float, facts: Facts, windows: Calendar | None) -> list[DataFile]:
        """Write the candidate's files of `product_aspects`; they stay invisible until the commit.

        Args:
            rows: Counts and estimates, as `_rows` returns them.
            threshold: Greatest p-value that is an alarm; -1 for none.
            facts: Totals of `review_aspects`, whose recipe is entered in each row.
            windows: The time windows; None if no review has a date.
        """
        ends = windows.look_up(F.col("start"), windows.ends) if windows else F.lit(None).cast("date")
        empty = F.array().cast("array<string>")
        made = rows.withColumns(
            {
                "window_start": F.col("start"),
                "window_end": ends,
                "rating": F.when(F.col("rated") > 0, F.col("stars") / F.col("rated")),
                "apart": F.when((F.col("aspect") == "satisfaction") & (F.col("mentions") > 0), F.col("apart")),
                "alarm": F.coalesce(F.col("p_value") <= F.lit(threshold), F.lit(False)),
                "quotes": F.coalesce("quotes", empty),
                "praise": F.coalesce("praise", empty),
                "recipe": F.lit(facts.recipe),
                "run_id": F.lit(self.report.run_id),
            }
        ).select(*PRODUCT_ASPECTS.names)
        placed = made.repartitionByRange("level", "name").sortWithinPartitions(*PRODUCT_ASPECTS.key)
        folder = f"{self.report.run_id}-{new_run_id()[-6:]}"
        return spark_bridge.write(placed, self.store, PRODUCT_ASPECTS, folder, None, _ROWS_PER_FILE)

    def _read(self, snapshot: Snapshot, columns: tuple[str, ...] | None = None) -> DataFrame:
        """Read columns of a snapshot into Spark; all declared columns if none are named."""
        return spark_bridge.read(self.spark, snapshot, columns or TABLES[snapshot.name].names)

    def _say(self, facts: Facts, windows: Calendar | None, threshold: float, published: int) -> None:
        """Enter the main numbers of the run into the report's highlights."""
        alarms = int(self.report.metrics["alarms"])
        left_out = facts.outside(windows)
        self.report.highlights = {
            "reviews": f"{facts.reviews:,}",
            "numbers": f"{published:,}",
            "changes that stand out": f"{alarms:,} of {self.report.metrics['comparisons']:,} compared",
        } | {name: f"{n:,}" for name, n in left_out.items() if n}


class _Estimator:
    """Picklable function for `mapInArrow` that calls `add_estimates` with fixed rules."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return add_estimates(batches, self.rules)


def summarise_reviews(spark: SparkSession, config: SummariseConfig, store: Store, report: Report) -> None:
    """Bring `product_aspects` up to date and write the page for the merchant.

    Args:
        spark: The Spark session.
        config: Settings of the job.
        store: The warehouse.
        report: The report of the run, which is filled in.

    Raises:
        UserError: A source is missing, or the table cannot be read or written.
        GateRefused: The new table fails a gate.
        Stopped: Another run published the table meanwhile.
    """
    Summary(spark, store, config, report).run()
