"""referral_events -> referral factors with intervals, a forecast -> growth_cohorts, cascades, growth_forecast."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopbatch.capabilities.growth.config import MeasureConfig
from shopbatch.runs.job import Job, main

if TYPE_CHECKING:
    from shopbatch.runs.report import Report
    from shopbatch.warehouse.store import Store


def run(config: MeasureConfig, store: Store, report: Report) -> None:
    """Measure how many new users existing users bring, publish the three tables, and write the growth page."""
    from pyspark.sql import SparkSession

    from shopbatch.capabilities.growth.measure import measure_growth

    measure_growth(SparkSession.active(), config, store, report)


JOB = Job("measure_growth", MeasureConfig, run, session="spark", alone=True, next="show growth_cohorts")

if __name__ == "__main__":
    raise SystemExit(main(JOB))
