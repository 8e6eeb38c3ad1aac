"""user_profiles -> named segments that users leave only with a margin, and stable clusters -> user_segments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopbatch.capabilities.marketing.segments.config import SegmentUsersConfig
from shopbatch.runs.job import Job, main

if TYPE_CHECKING:
    from shopbatch.runs.report import Report
    from shopbatch.warehouse.store import Store


def run(config: SegmentUsersConfig, store: Store, report: Report) -> None:
    """Put the users of the days asked for into segments."""
    from pyspark.sql import SparkSession

    from shopbatch.capabilities.marketing.segments.run import segment_users

    segment_users(SparkSession.active(), config, store, report)


JOB = Job("segment_users", SegmentUsersConfig, run, session="spark", alone=True, next="show user_segments")

if __name__ == "__main__":
    raise SystemExit(main(JOB))
