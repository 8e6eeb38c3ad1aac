"""reviews with a label or stars -> vectors (frozen encoder), a calibrated linear head -> model `sentiment`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopbatch.capabilities.sentiment.config import TrainHeadConfig
from shopbatch.runs.job import Job, main

if TYPE_CHECKING:
    from shopbatch.runs.report import Report
    from shopbatch.warehouse.store import Store


def run(config: TrainHeadConfig, store: Store, report: Report) -> None:
    """Train and publish a head; skip if the live one came from the same reviews, encoder and configuration."""
    from shopbatch.capabilities.sentiment.train_head import train_head

    train_head(config, store, report)


JOB = Job("train_sentiment_head", TrainHeadConfig, run, alone=True, makes=("sentiment",), next="run score_reviews")

if __name__ == "__main__":
    raise SystemExit(main(JOB))
