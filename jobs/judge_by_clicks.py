"""search_events -> click model, corrected for places -> search_judgements."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopbatch.capabilities.search.clicks.config import JudgeByClicksConfig
from shopbatch.runs.job import Job, main

if TYPE_CHECKING:
    from shopbatch.runs.report import Report
    from shopbatch.warehouse.store import Store


def run(config: JudgeByClicksConfig, store: Store, report: Report) -> None:
    """Learn from clicks how well products answer queries, and publish it."""
    from shopbatch.capabilities.search.clicks.run import judge_by_clicks

    judge_by_clicks(config, store, report)


_NEXT = "run evaluate_search judged_by=clicks"
JOB = Job("judge_by_clicks", JudgeByClicksConfig, run, session="late ray", alone=True, next=_NEXT)

if __name__ == "__main__":
    raise SystemExit(main(JOB))
