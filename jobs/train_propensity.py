"""user_daily -> forecasts of purchase, churn and spend, compared on held-out days -> model `propensity`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopbatch.capabilities.marketing.propensity.config import TrainPropensityConfig
from shopbatch.runs.job import Job, main

if TYPE_CHECKING:
    from shopbatch.runs.report import Report
    from shopbatch.warehouse.store import Store


def run(config: TrainPropensityConfig, store: Store, report: Report) -> None:
    """Fit several kinds of forecast, choose the best on held-out days, and register it as the model `propensity`."""
    from shopbatch.capabilities.marketing.propensity.train import train_propensity

    train_propensity(config, store, report)


JOB = Job(
    "train_propensity",
    TrainPropensityConfig,
    run,
    session="late ray",
    alone=True,
    makes=("propensity",),
    next="run score_users",
)

if __name__ == "__main__":
    raise SystemExit(main(JOB))
