"""experiments and user_daily -> uplift learners beside the response model, judged held out -> model `uplift`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopbatch.capabilities.marketing.uplift.config import TrainUpliftConfig
from shopbatch.runs.job import Job, main

if TYPE_CHECKING:
    from shopbatch.runs.report import Report
    from shopbatch.warehouse.store import Store


def run(config: TrainUpliftConfig, store: Store, report: Report) -> None:
    """Learn whom a message moves, and publish what can be known of it."""
    from shopbatch.capabilities.marketing.uplift.run import train_uplift

    train_uplift(config, store, report)


JOB = Job(
    "train_uplift", TrainUpliftConfig, run, session="late ray", alone=True, makes=("uplift",), next="run plan_campaigns"
)

if __name__ == "__main__":
    raise SystemExit(main(JOB))
