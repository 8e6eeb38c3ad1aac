"""example files, reviews -> vectors of sentences, logistic regressions -> model `moderation`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopbatch.capabilities.moderation.config import TrainModerationConfig
from shopbatch.runs.job import Job, main

if TYPE_CHECKING:
    from shopbatch.runs.report import Report
    from shopbatch.warehouse.store import Store


def run(config: TrainModerationConfig, store: Store, report: Report) -> None:
    """Train, evaluate and publish the model; skip if the live one was made from the same examples and settings."""
    from shopbatch.capabilities.moderation.train.run import train_moderation

    train_moderation(config, store, report)


JOB = Job(
    "train_moderation", TrainModerationConfig, run, alone=True, makes=("moderation",), next="run moderate_reviews"
)

if __name__ == "__main__":
    raise SystemExit(main(JOB))
