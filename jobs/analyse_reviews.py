"""reviews -> aspects and polarity of each clause (encoder + classifiers) -> review_aspects, review_aspects_rejects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopbatch.capabilities.insights.config import AnalyseReviewsConfig
from shopbatch.runs.job import Job, later, main

if TYPE_CHECKING:
    from shopbatch.runs.report import Report
    from shopbatch.warehouse.store import Store


def run(config: AnalyseReviewsConfig, store: Store, report: Report) -> None:
    """Find the aspects that new and changed reviews speak of, and publish one row per review in `review_aspects`."""
    from shopbatch.capabilities.insights.run import analyse_reviews

    analyse_reviews(config, store, report)


_SPECS = later("shopbatch.capabilities.insights.run:analyse_specs")
JOB = Job(
    "analyse_reviews",
    AnalyseReviewsConfig,
    run,
    session="late ray",
    specs=_SPECS,
    text="text",
    next="show review_aspects",
)

if __name__ == "__main__":
    raise SystemExit(main(JOB))
