"""user_profiles -> rule-based segments with hysteresis at their limits, and stable clusters -> user_segments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopbatch.capabilities.marketing.segments.config import SegmentUsersConfig
from shopbatch.runs.job import Job, main

if TYPE_CHECKING:
    from shopbatch.runs.report import Report
    from shopbatch.warehouse.store import Store


def run(config: SegmentUsersConfig, store: Store, report: Report) -> None:
    """Assign the users of the requested days to segments and clusters, and publish `user_segments`."""
    from pyspark.sql import SparkSession

    from shopbatch.capabilities.marketing.segments.run import segment_users

    segment_users(SparkSession.active(), config, store, report)


JOB = Job("segment_users", SegmentUsersConfig, run, session="spark", alone=True, next="show user_segments")

if __name__ == "__main__":
    raise SystemExit(main(JOB))
