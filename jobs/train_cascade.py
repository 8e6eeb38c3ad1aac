"""reviews, a sentiment model -> a small one, and where it is sure enough -> model `sentiment-cascade`, registered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopbatch.capabilities.sentiment.cascade.config import TrainCascadeConfig
from shopbatch.runs.job import Job, main

if TYPE_CHECKING:
    from shopbatch.runs.report import Report
    from shopbatch.warehouse.store import Store


def run(config: TrainCascadeConfig, store: Store, report: Report) -> None:
    """Fit a cascade and register it, unless that was done from the same reviews and models."""
    from shopbatch.capabilities.sentiment.cascade.run import train

    train(config, store, report)


JOB = Job("train_cascade", TrainCascadeConfig, run, alone=True, makes=("sentiment-cascade",), next="run score_reviews")

if __name__ == "__main__":
    raise SystemExit(main(JOB))
