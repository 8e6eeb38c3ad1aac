"""transactions and other tables about users -> daily tiles -> 97 features -> user_profiles, a row per user and day."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopbatch.capabilities.profiles.config import ProfileConfig
from shopbatch.runs.job import Job, main

if TYPE_CHECKING:
    from shopbatch.runs.report import Report
    from shopbatch.warehouse.store import Store


def check(config: ProfileConfig, store: Store) -> None:
    """Refuse missing or unusable source tables before the slow start of Spark."""
    from shopbatch.capabilities.profiles.sources import check_sources

    check_sources(config, store)


def run(config: ProfileConfig, store: Store, report: Report) -> None:
    """Update the daily tiles from new source rows, then compute and publish the requested days of `user_profiles`."""
    from pyspark.sql import SparkSession

    from shopbatch.capabilities.profiles.run import build_profiles

    build_profiles(SparkSession.active(), config, store, report)


JOB = Job(
    "build_user_profiles", ProfileConfig, run, session="spark", check=check, alone=True, next="show user_profiles"
)

if __name__ == "__main__":
    raise SystemExit(main(JOB))
