"""Daily tiles of users and products -> user_sequences, one row per user: what was bought, viewed and given back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopbatch.capabilities.recommendations.user_sequences.config import SequenceConfig
from shopbatch.runs.job import Job, main

if TYPE_CHECKING:
    from shopbatch.runs.report import Report
    from shopbatch.warehouse.store import Store


def run(config: SequenceConfig, store: Store, report: Report) -> None:
    """Bring the sequences up to date with the tiles."""
    from pyspark.sql import SparkSession

    from shopbatch.capabilities.recommendations.user_sequences.run import build_sequences

    build_sequences(SparkSession.active(), config, store, report)


JOB = Job("build_user_sequences", SequenceConfig, run, session="spark", alone=True, next="show user_sequences")

if __name__ == "__main__":
    raise SystemExit(main(JOB))
