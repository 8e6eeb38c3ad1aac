"""review_aspects -> sums by product, category, aspect and month, with intervals -> product_aspects, and a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopbatch.capabilities.insights.config_summary import SummariseConfig
from shopbatch.runs.job import Job, main

if TYPE_CHECKING:
    from shopbatch.runs.report import Report
    from shopbatch.warehouse.store import Store


def run(config: SummariseConfig, store: Store, report: Report) -> None:
    """Sum up the aspects of reviews by product, publish `product_aspects`, and write the merchant's page."""
    from pyspark.sql import SparkSession

    from shopbatch.capabilities.insights.summarise import summarise_reviews

    summarise_reviews(SparkSession.active(), config, store, report)


JOB = Job("summarise_reviews", SummariseConfig, run, session="spark", alone=True, next="show product_aspects")

if __name__ == "__main__":
    raise SystemExit(main(JOB))
