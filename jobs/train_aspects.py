"""reviews (lexicons, stars), aspect_labels (by people) -> classifiers of clauses -> model `aspects`, if better."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopbatch.capabilities.insights.config import TrainAspectsConfig
from shopbatch.runs.job import Job, main

if TYPE_CHECKING:
    from shopbatch.runs.report import Report
    from shopbatch.warehouse.store import Store


def run(config: TrainAspectsConfig, store: Store, report: Report) -> None:
    """Train the classifiers, evaluate them on people's labels, and register the model `aspects` if it passes."""
    from shopbatch.capabilities.insights.train.run import train_aspects

    train_aspects(config, store, report)


JOB = Job("train_aspects", TrainAspectsConfig, run, alone=True, makes=("aspects",), next="run analyse_reviews")

if __name__ == "__main__":
    raise SystemExit(main(JOB))
