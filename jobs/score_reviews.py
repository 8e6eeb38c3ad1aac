"""reviews -> sentiment (encoder + calibrated head) -> review_sentiment, review_sentiment_rejects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopbatch.capabilities.sentiment.config import ScoreReviewsConfig
from shopbatch.runs.job import Job, later, main

if TYPE_CHECKING:
    from shopbatch.runs.report import Report
    from shopbatch.warehouse.store import Store


def run(config: ScoreReviewsConfig, store: Store, report: Report) -> None:
    """Score the new and changed reviews and publish their sentiment in `review_sentiment`."""
    from shopbatch.capabilities.sentiment.run import score_reviews

    score_reviews(config, store, report)


_SPECS = later("shopbatch.capabilities.sentiment.run:review_specs")
_ESTIMATE = later("shopbatch.capabilities.sentiment.estimate:estimate")
JOB = Job(
    "score_reviews",
    ScoreReviewsConfig,
    run,
    estimate=_ESTIMATE,
    estimate_in_session=False,
    session="late ray",
    specs=_SPECS,
    text="text",
    next="show review_sentiment",
)

if __name__ == "__main__":
    raise SystemExit(main(JOB))
