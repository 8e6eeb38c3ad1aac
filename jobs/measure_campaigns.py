"""experiments, campaign_plan, user_daily -> effects with intervals, randomisation checked -> campaign_effects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopbatch.capabilities.marketing.campaigns.config import MeasureConfig
from shopbatch.runs.job import Job, main

if TYPE_CHECKING:
    from shopbatch.runs.report import Report
    from shopbatch.warehouse.store import Store


def run(config: MeasureConfig, store: Store, report: Report) -> None:
    """Measure the effect of each arm of an experiment against its control group, and publish `campaign_effects`."""
    from shopbatch.capabilities.marketing.campaigns.run import measure_campaigns

    measure_campaigns(config, store, report)


JOB = Job("measure_campaigns", MeasureConfig, run, session="late ray", alone=True, next="show campaign_effects")

if __name__ == "__main__":
    raise SystemExit(main(JOB))
