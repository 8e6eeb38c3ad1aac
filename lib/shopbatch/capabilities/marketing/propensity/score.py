"""The job `score_users`: applies the model `propensity` to `user_daily` and publishes a day of `user_scores`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow as pa
from pyspark.sql import functions as F

from shopbatch.capabilities.marketing.days import Daily
from shopbatch.capabilities.marketing.propensity.config import ScoreUsersConfig
from shopbatch.capabilities.marketing.propensity.inputs import VERSION
from shopbatch.capabilities.marketing.propensity.model import NAME, PropensityModel
from shopbatch.capabilities.marketing.propensity.reader import COLUMNS, day_number
from shopbatch.core.errors import UserError
from shopbatch.evaluation.purchases import Purchases
from shopbatch.models import folder, registry
from shopbatch.models.registry import Model
from shopbatch.runs.report import Figure, Report
from shopbatch.tables.user_daily import USER_DAILY
from shopbatch.tables.user_profiles import USER_PROFILES
from shopbatch.tables.user_scores import USER_SCORES
from shopbatch.warehouse import files, spark_bridge
from shopbatch.warehouse.gates import DEFECT, Gate, explain
from shopbatch.warehouse.store import Snapshot, Store

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_SCORED = "user_id string, p_purchase_30d double, p_churn_30d double, expected_spend_30d double, days_since_last bigint"
_BINS = 20


def score_users(spark: SparkSession, config: ScoreUsersConfig, store: Store, report: Report) -> None:
    """Score every wanted day that is not up to date, and publish it in `user_scores`.

    Args:
        spark: The Spark session.
        config: Settings of the job.
        store: The warehouse.
        report: The report of the run.

    Raises:
        UserError: There is no model, or `user_profiles` holds none of the wanted days.
        GateRefused: A gate did not pass.
        Stopped: Another run published the same day meanwhile.
    """
    report.unit = "users"
    model = _find(store, config.model)
    report.models[NAME] = model.digest
    daily = Daily(store, USER_SCORES, report, config.gates.rows)
    daily.put_in_order()
    tiles, profiles = store.require(USER_DAILY, COLUMNS), store.require(USER_PROFILES, ("user_id",))
    report.tables |= {t.name: {"read": t.version} for t in (tiles, profiles)}
    report.rows.read = tiles.rows
    days, done = daily.asked(config.as_of, profiles), 0
    loaded = PropensityModel.load(folder.local(model.path))
    for day in days:
        origin = {
            "version": VERSION,
            "model": model.digest,
            "tiles": {"table_id": tiles.table_id, "version": tiles.version},
        }
        live = daily.find(day)
        if live is not None and live.metadata.get("origin") == origin:
            continue
        few = tiles.rows <= spark_bridge.FEW
        try:
            with spark_bridge.for_few_rows(spark) if few else spark_bridge.for_many_groups(spark):
                frame = _scored(spark, tiles, loaded, day).withColumns(
                    {"model": F.lit(model.reference), "run_id": F.lit(report.run_id)}
                )
                # repartitionByRange reads the rows twice; the cache lets them be scored once
                placed = frame.cache().repartitionByRange("user_id").sortWithinPartitions("user_id")
                daily.publish(day, placed.select(*USER_SCORES.file_schema().names), {"origin": origin}, _judge)
        finally:
            spark.catalog.clearCache()
        done += 1
    daily.finish(len(days), done)
    live = daily.find(days[-1])
    if live is not None:
        _say(report, live)


def _find(store: Store, reference: str) -> Model:
    if not reference.startswith(f"{NAME}@"):
        raise UserError(f"model={reference[:60]}: expected {NAME}@live or {NAME}@DIGEST")
    try:
        return registry.find(f"{store.root}/_models", reference)
    except registry.NoLiveModel:
        raise UserError(f"there is no model {NAME} yet; run train_propensity") from None


def _scored(spark: SparkSession, tiles: Snapshot, model: PropensityModel, day: date) -> DataFrame:
    """Return one row of scores for each user with an active day before `day`.

    The columns are user_id, p_purchase_30d, p_churn_30d, expected_spend_30d and days_since_last.
    """
    rows = spark_bridge.read(spark, tiles, COLUMNS).where((F.col("baskets") > 0) & (F.col("day") < F.lit(day)))
    entry = F.struct(F.unix_date("day").cast("bigint").alias("day"), F.col("purchase_cents").alias("cents"))
    histories = rows.groupBy("user_id").agg(F.sort_array(F.collect_list(entry)).alias("days"))
    return histories.mapInArrow(_Scorer(model, day_number(day)), _SCORED)


class _Scorer:
    """Scores batches of users inside a Spark worker (`mapInArrow`); each row holds a user's list of active days."""

    def __init__(self, model: PropensityModel, day: float) -> None:
        self.model, self.day = model, day

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            if not batch.num_rows:
                continue
            lists = batch.column("days")
            entries = lists.flatten()
            user = np.repeat(np.arange(batch.num_rows), np.diff(lists.offsets.to_numpy()))
            money = entries.field("cents").to_numpy() / 100.0
            days = Purchases(user, entries.field("day").to_numpy(), money, batch.num_rows)
            scores = self.model.score(days, self.day)
            churn = pa.array(scores.churn, pa.float64(), from_pandas=True)  # nan becomes null
            silent = (self.day - days.last(self.day)).astype(np.int64)
            columns = [batch.column("user_id"), scores.purchase, churn, scores.spend, silent]
            names = [part.split()[0] for part in _SCORED.split(", ")]
            yield pa.RecordBatch.from_arrays([c if isinstance(c, pa.Array) else pa.array(c) for c in columns], names)


def _judge(uris: Sequence[str]) -> list[Gate]:
    """Return the gate "scores in range": every probability is from 0 to 1, every spend finite and not negative.

    A null `p_churn_30d` passes: the user has lapsed already.

    Args:
        uris: URIs of the files with the scores of a day, before they are published.
    """
    p, spend = pl.col("p_purchase_30d"), pl.col("expected_spend_30d")
    wrong = ~p.is_between(0, 1) | ~pl.col("p_churn_30d").is_between(0, 1).fill_null(True) | ~spend.is_finite()
    wrong = wrong | (spend < 0) | p.is_nan()
    count = int(files.scan(list(uris), USER_SCORES.file_schema()).select(wrong.sum()).collect().item()) if uris else 0
    what = f"{count:,} scores are no number, or outside their range"
    detail = explain(count == 0, what, "whoever plans with them would be misled", DEFECT)
    return [Gate("scores in range", count, 0, count == 0, detail)]


def _say(report: Report, live: Snapshot) -> None:
    """Write totals and histograms of the scores of a published day into the report."""
    columns = ("p_purchase_30d", "p_churn_30d", "expected_spend_30d")
    frame = files.scan([f.uri for f in live.files], USER_SCORES.file_schema()).select(columns).collect()
    panels: dict[str, Any] = {}
    for name in columns:
        values = frame[name].drop_nulls()
        high = 1.0 if name != "expected_spend_30d" else float(values.quantile(0.99) or 0.0)
        if len(values) and high > 0:
            counts, _ = np.histogram(np.minimum(values.to_numpy(), high), _BINS, (0.0, high))
            panels[name] = {"low": 0.0, "high": high, "counts": counts.tolist()}
    report.highlights |= {
        "users": f"{len(frame):,}",
        "expected to buy": f"{frame['p_purchase_30d'].sum():,.0f}",
        "expected spend": f"{frame['expected_spend_30d'].sum():,.0f}",
        "lapsed already": f"{frame['p_churn_30d'].null_count():,}",
    }
    if panels:
        caption = "Users by score; money beyond the 99th hundredth is in the last bar."
        report.figures.append(Figure("histograms", "How scores are distributed", {"panels": panels}, caption))
