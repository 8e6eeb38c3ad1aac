"""search_events -> a click model that corrects for positions in the list -> search_judgements."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopbatch.capabilities.search.clicks.config import JudgeByClicksConfig
from shopbatch.runs.job import Job, main

if TYPE_CHECKING:
    from shopbatch.runs.report import Report
    from shopbatch.warehouse.store import Store


def run(config: JudgeByClicksConfig, store: Store, report: Report) -> None:
    """Estimate from clicks how relevant each product is to each query, and publish `search_judgements`."""
    from shopbatch.capabilities.search.clicks.run import judge_by_clicks

    judge_by_clicks(config, store, report)


_NEXT = "run evaluate_search judged_by=clicks"
JOB = Job("judge_by_clicks", JudgeByClicksConfig, run, session="late ray", alone=True, next=_NEXT)

if __name__ == "__main__":
    raise SystemExit(main(JOB))
