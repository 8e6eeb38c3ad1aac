"""user_sequences, products -> model `recommender`, rules -> recommendations, recommendations_rejects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopbatch.capabilities.recommendations.recommend.config import RecommendConfig
from shopbatch.runs.job import Job, later, main

if TYPE_CHECKING:
    from shopbatch.runs.report import Report
    from shopbatch.warehouse.store import Store


def run(config: RecommendConfig, store: Store, report: Report) -> None:
    """Compute the lists of users whose sequence changed, and publish the lists of all users in `recommendations`."""
    from shopbatch.capabilities.recommendations.recommend.run import recommend

    recommend(config, store, report)


JOB = Job(
    "recommend_products",
    RecommendConfig,
    run,
    specs=later("shopbatch.capabilities.recommendations.recommend.run:recommend_specs"),
    next="recommend USER",
)

if __name__ == "__main__":
    raise SystemExit(main(JOB))
