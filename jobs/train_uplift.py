"""experiments, user_daily -> uplift learners compared with a response model on held-out users -> model `uplift`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopbatch.capabilities.marketing.uplift.config import TrainUpliftConfig
from shopbatch.runs.job import Job, main

if TYPE_CHECKING:
    from shopbatch.runs.report import Report
    from shopbatch.warehouse.store import Store


def run(config: TrainUpliftConfig, store: Store, report: Report) -> None:
    """Learn which users buy because of a message, and publish the model `uplift`, also if no uplift can be found."""
    from shopbatch.capabilities.marketing.uplift.run import train_uplift

    train_uplift(config, store, report)


JOB = Job(
    "train_uplift", TrainUpliftConfig, run, session="late ray", alone=True, makes=("uplift",), next="run plan_campaigns"
)

if __name__ == "__main__":
    raise SystemExit(main(JOB))
