"""product_aspects says what an SQL oracle says of review_aspects; alarms, gates, faults and reruns."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest
from pyspark.sql import SparkSession

from shopbatch.capabilities.insights.config_summary import SummariseConfig
from shopbatch.capabilities.insights.summarise import summarise_reviews
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


def test_every_count_is_that_of_an_sql_oracle(spark: SparkSession, store: Store) -> None:
    shop.fill(store, shop.drawn(1, 900, months=14), PRODUCTS)
    report = summarise(spark, store)
    names = ("level", "name", "aspect", "window", "mentions", "negatives", "positives", "rating", "apart", "reviews")
    rows, expected = [tuple(r[n] for n in names) for r in published(store)], oracle(store)
    assert len(rows) > 300 and len(rows) == len(expected)
    for row, other in zip(rows, expected, strict=True):
        assert row == pytest.approx(other)
    print({k: v.seconds for k, v in report.stages.items()})
    import time; t = time.time(); summarise(spark, store, quotes=4); print("again", time.time() - t)
    undated = sum(r["created_at"] is None for r in store.snapshot("reviews").read(["created_at"]).to_pylist())
    assert undated and report.metrics["reviews"]["without a date"] == undated
