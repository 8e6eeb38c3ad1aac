"""user_daily, user_profiles, model `propensity` -> forecasts of each user for the next 30 days -> user_scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopbatch.capabilities.marketing.propensity.config import ScoreUsersConfig
from shopbatch.runs.job import Job, main

if TYPE_CHECKING:
    from shopbatch.runs.report import Report
    from shopbatch.warehouse.store import Store


def run(config: ScoreUsersConfig, store: Store, report: Report) -> None:
    """Forecast each user's purchase, churn and spend in the 30 days after each requested day; publish `user_scores`."""
    from pyspark.sql import SparkSession

    from shopbatch.capabilities.marketing.propensity.score import score_users

    score_users(SparkSession.active(), config, store, report)


JOB = Job("score_users", ScoreUsersConfig, run, session="spark", alone=True, next="show user_scores")

if __name__ == "__main__":
    raise SystemExit(main(JOB))
