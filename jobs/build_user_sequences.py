"""daily tiles of users and products -> purchases, views, returns by time -> user_sequences, one row per user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopbatch.capabilities.recommendations.user_sequences.config import SequenceConfig
from shopbatch.runs.job import Job, main

if TYPE_CHECKING:
    from shopbatch.runs.report import Report
    from shopbatch.warehouse.store import Store


def run(config: SequenceConfig, store: Store, report: Report) -> None:
    """Update `user_sequences` from the daily tiles that `build_user_profiles` keeps."""
    from pyspark.sql import SparkSession

    from shopbatch.capabilities.recommendations.user_sequences.run import build_sequences

    build_sequences(SparkSession.active(), config, store, report)


JOB = Job("build_user_sequences", SequenceConfig, run, session="spark", alone=True, next="show user_sequences")

if __name__ == "__main__":
    raise SystemExit(main(JOB))
