"""reviews -> rules (and a model, if set) for harmful texts -> review_moderation, review_moderation_rejects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopbatch.capabilities.moderation.config import ModerateReviewsConfig
from shopbatch.runs.job import Job, later, main

if TYPE_CHECKING:
    from shopbatch.runs.report import Report
    from shopbatch.warehouse.store import Store


def run(config: ModerateReviewsConfig, store: Store, report: Report) -> None:
    """Moderate the new and changed reviews and publish an action (publish, mask or hold) for each."""
    from shopbatch.capabilities.moderation.run import moderate_reviews

    moderate_reviews(config, store, report)


_SPECS = later("shopbatch.capabilities.moderation.run:moderation_specs")
JOB = Job(
    "moderate_reviews",
    ModerateReviewsConfig,
    run,
    session="late ray",
    specs=_SPECS,
    text="text",
    next="show review_moderation",
)

if __name__ == "__main__":
    raise SystemExit(main(JOB))
