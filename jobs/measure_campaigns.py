"""experiments, campaign_plan and user_daily -> effects with intervals, checked for chance -> campaign_effects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopbatch.capabilities.marketing.campaigns.config import MeasureConfig
from shopbatch.runs.job import Job, main

if TYPE_CHECKING:
    from shopbatch.runs.report import Report
    from shopbatch.warehouse.store import Store


def run(config: MeasureConfig, store: Store, report: Report) -> None:
    """Measure what each arm of an experiment brought, and publish it."""
    from shopbatch.capabilities.marketing.campaigns.run import measure_campaigns

    measure_campaigns(config, store, report)


JOB = Job("measure_campaigns", MeasureConfig, run, session="late ray", alone=True, next="show campaign_effects")

if __name__ == "__main__":
    raise SystemExit(main(JOB))
