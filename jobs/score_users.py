"""user_daily and the model `propensity` -> what each user will probably do in 30 days -> user_scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopbatch.capabilities.marketing.propensity.config import ScoreUsersConfig
from shopbatch.runs.job import Job, main

if TYPE_CHECKING:
    from shopbatch.runs.report import Report
    from shopbatch.warehouse.store import Store


def run(config: ScoreUsersConfig, store: Store, report: Report) -> None:
    """Score the users of the days asked for."""
    from pyspark.sql import SparkSession

    from shopbatch.capabilities.marketing.propensity.score import score_users

    score_users(SparkSession.active(), config, store, report)


JOB = Job("score_users", ScoreUsersConfig, run, session="spark", alone=True, next="show user_scores")

if __name__ == "__main__":
    raise SystemExit(main(JOB))
