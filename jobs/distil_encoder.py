"""reviews, model `sentiment` (teacher) -> an encoder with fewer layers -> model `sentiment-student`, if good."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopbatch.capabilities.sentiment.config import DistilEncoderConfig
from shopbatch.runs.job import Job, main

if TYPE_CHECKING:
    from shopbatch.runs.report import Report
    from shopbatch.warehouse.store import Store


def run(config: DistilEncoderConfig, store: Store, report: Report) -> None:
    """Train the student, compare it with its teacher on held-out reviews, and publish it if it is good enough."""
    from shopbatch.capabilities.sentiment.distil.run import distil

    distil(config, store, report)


JOB = Job(
    "distil_encoder",
    DistilEncoderConfig,
    run,
    alone=True,
    makes=("sentiment-student",),
    next="run score_reviews model=sentiment-student@live",
)

if __name__ == "__main__":
    raise SystemExit(main(JOB))
