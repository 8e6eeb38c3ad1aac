"""product_aspects says what an SQL oracle says of review_aspects; alarms, gates, faults and reruns."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from pyspark.sql import SparkSession

from shopbatch.capabilities.insights.config_summary import SummariseConfig
from shopbatch.capabilities.insights.summarise import summarise_reviews
from shopbatch.core.errors import GateRefused, Stopped
from shopbatch.models import erasure, registry
from shopbatch.runs.report import Report
from shopbatch.warehouse.store import Store
from tests.capabilities.insights import shop

PRODUCTS = [
    {"product_id": "p0", "title": "Dress", "category": "Dresses"},
    {"product_id": "p1", "title": "Gown", "category": " ", "department": "Dresses"},
    {"product_id": "p2", "title": "Coat", "category": "Coats"},
]


def summarise(spark: SparkSession, store: Store, **settings: Any) -> Report:
    report = Report(job="summarise_reviews")
    settings = {"windows": {"as_of": "2026-06-10"}, "discovery": {"clauses": 0}, **settings}
    summarise_reviews(spark, SummariseConfig.model_validate(settings), store, report)
    return report


def published(store: Store) -> list[dict[str, Any]]:
    rows = store.snapshot("product_aspects").read().to_pylist()
    return sorted(rows, key=lambda r: (r["level"], r["name"], r["aspect"], r["window"]))


def row_of(store: Store, level: str, name: str, aspect: str, window: str = "all") -> dict[str, Any]:
    [row] = [
        r
        for r in published(store)
        if (r["level"], r["name"], r["aspect"], r["window"]) == (level, name, aspect, window)
    ]
    return row


ORACLE = """
with category as (
  select product_id, coalesce(nullif(trim(category), ''), nullif(trim(department), '')) as category from products
), things as (
  select review_id, product_id, rating, created_at, a.aspect as aspect, a.polarity as side
  from (select *, unnest(aspects) as a from review_aspects)
  union all
  select distinct review_id, product_id, rating, created_at, m.kind, 'none'
  from (select *, unnest(remarks) as m from review_aspects)
  union all
  select r.review_id, r.product_id, rating, created_at, 'satisfaction', s.label
  from review_aspects r left join review_sentiment s using (review_id)
), placed as (
  select 'product' as level, product_id as name, * from things where product_id is not null
  union all
  select 'category', category, things.* from things join category using (product_id) where category is not null
  union all
  select 'all', '', * from things
), timed as (
  select *, 'all' as part from placed
  union all
  select *, strftime(date_trunc('month', created_at), '%Y-%m-01') from placed
  where created_at < timestamptz '2026-06-10 00:00:00+00' and created_at >= timestamptz '2025-07-01 00:00:00+00'
), summed as (
  select level, name, aspect, part, count(side) as mentions, count(*) filter (side = 'negative') as negatives,
    count(*) filter (side = 'positive') as positives, avg(rating) as rating,
    case when aspect = 'satisfaction' and count(side) > 0 then
      count(*) filter (rating <= 2 and side = 'positive' or rating >= 4 and side = 'negative') end as apart,
    count(*) filter (aspect = 'satisfaction') as whole
  from timed group by level, name, aspect, part
)
select level, name, aspect, part, mentions, negatives, positives, rating, apart,
  cast(sum(whole) over (partition by level, name, part) as bigint) as reviews
from summed order by level, name, aspect, part
"""


def oracle(store: Store) -> list[tuple[Any, ...]]:
    with duckdb.connect() as database:
        database.execute("set timezone = 'UTC'")
        for name in ("review_aspects", "review_sentiment", "products"):
            database.register(name, store.snapshot(name).read())
        return database.execute(ORACLE).fetchall()


@pytest.fixture
def three_partitions(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Spark works as it does with very many rows."""
    before = str(spark.conf.get("spark.sql.shuffle.partitions"))
    monkeypatch.setattr("shopbatch.warehouse.spark_bridge.FEW", 0)
    spark.conf.set("spark.sql.shuffle.partitions", "3")
    yield
    spark.conf.set("spark.sql.shuffle.partitions", before)


def test_every_count_is_that_of_an_sql_oracle(spark: SparkSession, store: Store, three_partitions: None) -> None:
    shop.fill(store, shop.drawn(1, 900, months=14), PRODUCTS)
    report = summarise(spark, store)
    names = ("level", "name", "aspect", "window", "mentions", "negatives", "positives", "rating", "apart", "reviews")
    rows, expected = [tuple(r[n] for n in names) for r in published(store)], oracle(store)
    assert len(rows) > 300 and len(rows) == len(expected)
    for row, other in zip(rows, expected, strict=True):
        assert row == pytest.approx(other)
    undated = sum(r["created_at"] is None for r in store.snapshot("reviews").read(["created_at"]).to_pylist())
    assert undated and report.metrics["reviews"]["without a date"] == undated


def several(start: int, product: str, at: str, negative: int, rows: int, aspect: str = "fit") -> list[shop.Row]:
    sides = ["negative"] * negative + ["positive"] * (rows - negative)
    return [
        shop.review(
            f"r{start + i:05d}", product, (aspect, side), created_at=shop.day(at), before=f"Number {start + i}. "
        )
        for i, side in enumerate(sides)
    ]


def test_only_a_change_beyond_chance_is_an_alarm_and_only_against_the_window_just_before(
    spark: SparkSession, store: Store
) -> None:
    rows = several(0, "p0", "2026-05-03", 4, 40) + several(100, "p0", "2026-06-03", 28, 40)
    rows += several(200, "p1", "2026-05-03", 4, 40) + several(300, "p1", "2026-06-03", 6, 40)
    rows += several(400, "p2", "2026-04-03", 0, 40) + several(500, "p2", "2026-06-03", 40, 40)  # nothing in May
    rows += several(600, "p3", "2026-05-03", 0, 9) + several(700, "p3", "2026-06-03", 9, 9)  # too few to compare
    rows += several(800, "p4", "2026-05-03", 3, 4)
    shop.fill(store, rows, PRODUCTS)
    report = summarise(spark, store)
    june = {p: row_of(store, "product", p, "fit", "2026-06-01") for p in ("p0", "p1", "p2", "p3")}
    assert [p for p, row in june.items() if row["alarm"]] == ["p0"]
    assert june["p0"]["change"] == pytest.approx(0.6) and june["p0"]["p_value"] < 1e-6
    assert june["p1"]["p_value"] > 0.5 and june["p2"]["change"] is None and june["p3"]["p_value"] is None
    assert june["p0"]["window_end"].isoformat() == "2026-06-09"
    assert row_of(store, "product", "p4", "fit", "2026-05-01")["share_negative"] is None  # too few mentions
    assert june["p0"]["method"] == "predictions" and june["p0"]["labels"] == 0
    assert len(june["p0"]["quotes"]) == 5 and set(june["p0"]["quotes"]) <= {f"r{100 + i:05d}" for i in range(28)}
    assert report.metrics["alarms"] == sum(row["alarm"] for row in published(store)) >= 1


def test_labels_give_intervals_that_hold_the_truth_and_the_method_is_named(spark: SparkSession, store: Store) -> None:
    """The classifier calls 20 of 100 harmless mentions negative; a person has labelled a random tenth."""
    draw = np.random.default_rng(5)
    rows, labels = [], []
    for i in range(3_000):
        truth = draw.random() < 0.3
        found = truth if draw.random() < 0.9 else draw.random() < 0.9
        row = shop.review(
            f"r{i:05d}", f"p{i % 50}", ("fit", "negative" if found else "positive"), before=f"Number {i}. "
        )
        rows.append(row)
        if draw.random() < 0.1:
            clause = row["text"][row["aspects"][0]["start"] :]
            labels.append(shop.label(i, row, "fit", "negative" if truth else "positive", clause))
    labels += [shop.label(9_000, rows[0], "none", None), {**shop.label(9_001, rows[1], "fit", None), "review_id": None}]
    shop.fill(store, rows, PRODUCTS, labels)
    report = summarise(spark, store)
    whole, one = row_of(store, "all", "", "fit"), row_of(store, "product", "p0", "fit")
    raw = whole["negatives"] / whole["mentions"]
    assert whole["method"] == "prediction-powered" and whole["low"] <= 0.3 <= whole["high"] < raw
    assert whole["labels"] >= 280 and whole["share_negative"] < raw
    assert one["method"] == "corrected" and one["labels"] >= whole["labels"]
    assert report.metrics["labels"]["without a review"] == 1
    assert row_of(store, "all", "", "satisfaction")["method"] == "predictions"
    summarise(spark, store, labels={"use": "none"})
    assert row_of(store, "all", "", "fit")["method"] == "predictions"


def test_labels_that_are_no_random_sample_are_used_for_error_rates_only(spark: SparkSession, store: Store) -> None:
    rows = several(0, "p0", "2026-05-03", 300, 900)
    labels = [shop.label(i, row, "fit", "negative" if i % 9 else "positive") for i, row in enumerate(rows[:80])]
    labels += [shop.label(900 + i, row, "fit", "positive") for i, row in enumerate(rows[800:820])]
    shop.fill(store, rows, PRODUCTS, labels)
    report = summarise(spark, store)
    assert report.metrics["labels that are no random sample"] == ["fit"]
    assert row_of(store, "all", "", "fit")["method"] == "corrected"


def test_errors_that_training_found_correct_the_counts_where_no_label_is_held_out(
    spark: SparkSession, store: Store
) -> None:
    """All labels trained the model: they say nothing of it, but its cross-fitted errors do."""
    rows = several(0, "p0", "2026-05-03", 300, 900)
    labels = [shop.label(i, row, "fit", "negative" if i < 33 else "positive") for i, row in enumerate(rows[267:367])]
    shop.fill(store, rows, PRODUCTS, labels)
    named = erasure.keyed(store, [label["sentence_id"] for label in labels])
    errors = {"clothing": {"fit": [80, 20, 10, 190]}, "other": {"fit": [8, 2, 1, 19], "price": [1, 1, 1, 1]}}
    registry.publish(f"{store.root}/_models", "aspects", save_nothing, rows=named, errors=errors)
    report = summarise(spark, store)
    row = row_of(store, "all", "", "fit")
    assert report.metrics["labels"]["the model was trained on them"] == 100
    assert row["method"] == "corrected" and row["labels"] == 330
    assert row["share_negative"] == pytest.approx((1 / 3 - 0.05) / 0.75) and row["low"] < row["share_negative"]
    summarise(spark, store, labels={"use": "all"})
    assert row_of(store, "all", "", "fit")["method"] == "prediction-powered"


def save_nothing(folder: Path) -> None:
    (folder / "aspects.json").write_text("{}")


def test_the_same_sources_are_nothing_to_do_and_new_ones_are_published(spark: SparkSession, store: Store) -> None:
    rows = shop.drawn(2, 120)
    shop.fill(store, rows, PRODUCTS)
    report = summarise(spark, store)
    before = published(store)
    assert report.outcome == "published" and report.rows.published == len(before)
    again = summarise(spark, store)
    assert again.outcome == "nothing to do" and published(store) == before and not again.links
    # the order of the rows changes nothing but the run
    shop.fill(store, rows[::-1], PRODUCTS)
    assert summarise(spark, store).outcome == "published"
    assert [{**r, "run_id": ""} for r in published(store)] == [{**r, "run_id": ""} for r in before]
    assert summarise(spark, store, false_discoveries=0.01).outcome == "published"
    assert summarise(
        spark, store, false_discoveries=0.01, page={"language": "zh"}
    ).links  # another page, the same table


def test_windows_of_days_end_at_as_of_and_what_is_outside_is_counted(spark: SparkSession, store: Store) -> None:
    at = shop.day("2026-06-09")
    days = [None, at, at - timedelta(days=6), at - timedelta(days=7), at - timedelta(days=14), at + timedelta(days=2)]
    rows = [shop.review(f"r{i}", None, ("fit", "negative"), created_at=day) for i, day in enumerate(days)]
    shop.fill(store, rows)
    report = summarise(spark, store, windows={"by": "days", "days": 7, "count": 2, "as_of": "2026-06-10"})
    found = {row["window"]: row["mentions"] for row in published(store) if row["aspect"] == "fit"}
    assert found == {"2026-06-03": 2, "2026-05-27": 1, "all": 6}
    assert report.metrics["reviews"] == {
        "read": 6,
        "without a date": 1,
        "after the last window": 1,
        "before the first window": 1,
        "without a product": 6,
    }


def test_reviews_of_two_recipes_are_refused_and_so_is_an_empty_source(spark: SparkSession, store: Store) -> None:
    shop.fill(store, [shop.review("r1", "p0", recipe="r1"), shop.review("r2", "p0", recipe="r2")])
    with pytest.raises(GateRefused, match="rows of 2 recipes: r1"):
        summarise(spark, store)
    shop.fill(store, [])
    with pytest.raises(GateRefused, match="review_aspects has no rows"):
        summarise(spark, store)
    assert not store.exists("product_aspects")


class Killed(BaseException):
    """A kill, within this process."""


@pytest.mark.parametrize("place", ["summary_written", "summary_committed"])
def test_killed_before_or_after_the_commit_the_next_run_shows_all(
    spark: SparkSession, store: Store, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    shop.fill(store, shop.drawn(3, 60), PRODUCTS)

    def crash(name: str) -> None:
        if name == place:
            raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr("shopbatch.capabilities.insights.summarise.crash_point", crash)
        summarise(spark, store)
    assert store.exists("product_aspects") == (place == "summary_committed")
    report = summarise(spark, store)
    assert report.outcome == ("nothing to do" if place == "summary_committed" else "published")
    assert (Path(store.root) / "_runs" / "summarise_reviews" / report.run_id / "aspects.html").is_file()
    assert len(published(store)) == len(oracle(store))


def test_another_run_that_published_meanwhile_is_not_overwritten(
    spark: SparkSession, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.fill(store, shop.drawn(4, 40), PRODUCTS)

    def meanwhile(name: str) -> None:
        if name == "summary_written":
            monkeypatch.undo()
            summarise(spark, store, quotes=3)

    monkeypatch.setattr("shopbatch.capabilities.insights.summarise.crash_point", meanwhile)
    with pytest.raises(Stopped, match="another run published product_aspects"):
        summarise(spark, store, quotes=9)
    assert max(len(row["quotes"]) for row in published(store)) == 3
