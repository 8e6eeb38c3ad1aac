"""user_sequences -> habits, neighbours, Transformer and texts, tested on held-out days -> model `recommender`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopbatch.capabilities.recommendations.train.config import TrainRecommenderConfig
from shopbatch.runs.job import Job, main

if TYPE_CHECKING:
    from shopbatch.runs.report import Report
    from shopbatch.warehouse.store import Store


def run(config: TrainRecommenderConfig, store: Store, report: Report) -> None:
    """Choose and fit the parts of the recommender, test and register it, and publish `product_neighbours`."""
    from shopbatch.capabilities.recommendations.train.run import train_recommender

    train_recommender(config, store, report)


JOB = Job(
    "train_recommender", TrainRecommenderConfig, run, alone=True, makes=("recommender",), next="show product_neighbours"
)

if __name__ == "__main__":
    raise SystemExit(main(JOB))
