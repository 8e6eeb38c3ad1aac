"""referral_events, users -> the users from whom an invitation is expected to bring most new users -> inviter_plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopbatch.capabilities.growth.config import InviterConfig
from shopbatch.runs.job import Job, main

if TYPE_CHECKING:
    from shopbatch.runs.report import Report
    from shopbatch.warehouse.store import Store


def run(config: InviterConfig, store: Store, report: Report) -> None:
    """Choose the users to ask for invitations, hold some out as controls, and publish the plan; sends nothing."""
    from shopbatch.capabilities.growth.inviters import choose_inviters

    choose_inviters(config, store, report)


JOB = Job(
    "choose_inviters", InviterConfig, run, session="late ray", alone=True, next="show inviter_plan --where decision=ask"
)

if __name__ == "__main__":
    raise SystemExit(main(JOB))
