"""transactions and all else known of users -> daily tiles -> features -> user_profiles, one row per user and day."""

from shopbatch.capabilities.profiles.config import ProfileConfig
from shopbatch.runs.job import Job, main
from shopbatch.runs.report import Report
from shopbatch.warehouse.store import Store


def run(config: ProfileConfig, store: Store, report: Report) -> None:
    """Bring tiles and profiles up to date. Raises as `build_profiles` does."""
    from pyspark.sql import SparkSession

    from shopbatch.capabilities.profiles.run import build_profiles

    build_profiles(SparkSession.active(), config, store, report)


JOB = Job("build_user_profiles", ProfileConfig, run, session="spark")

if __name__ == "__main__":
    raise SystemExit(main(JOB))
