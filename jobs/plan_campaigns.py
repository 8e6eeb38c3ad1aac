"""users, user_daily, campaigns, model `uplift` -> audiences within budget, consent and caps -> campaign_plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopbatch.capabilities.marketing.plan.config import PlanConfig
from shopbatch.runs.job import Job, later, main

if TYPE_CHECKING:
    from shopbatch.runs.report import Report
    from shopbatch.warehouse.store import Store


def run(config: PlanConfig, store: Store, report: Report) -> None:
    """Choose who gets which message on a day, hold a random control group out, and publish the plan; sends nothing."""
    from shopbatch.capabilities.marketing.plan.run import plan_campaigns

    plan_campaigns(config, store, report)


JOB = Job(
    "plan_campaigns",
    PlanConfig,
    run,
    session="late ray",
    check=later("shopbatch.capabilities.marketing.plan.run:check_plan"),
    alone=True,
    next="show campaign_plan --format csv --output plan.csv",
)

if __name__ == "__main__":
    raise SystemExit(main(JOB))
