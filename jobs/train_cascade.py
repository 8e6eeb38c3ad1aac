"""reviews, model `sentiment` -> a small model, bounds of confidence above which it answers -> `sentiment-cascade`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopbatch.capabilities.sentiment.cascade.config import TrainCascadeConfig
from shopbatch.runs.job import Job, main

if TYPE_CHECKING:
    from shopbatch.runs.report import Report
    from shopbatch.warehouse.store import Store


def run(config: TrainCascadeConfig, store: Store, report: Report) -> None:
    """Fit a cascade (a small model before the large one) and register it; skip if nothing has changed."""
    from shopbatch.capabilities.sentiment.cascade.run import train

    train(config, store, report)


JOB = Job("train_cascade", TrainCascadeConfig, run, alone=True, makes=("sentiment-cascade",), next="run score_reviews")

if __name__ == "__main__":
    raise SystemExit(main(JOB))
