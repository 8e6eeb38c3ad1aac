"""tickets -> intent, facts of policies and orders, decision and reply -> ticket_answers, ticket_answers_rejects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopbatch.capabilities.support.answers.config import AnswerTicketsConfig
from shopbatch.runs.job import Job, later, main

if TYPE_CHECKING:
    from shopbatch.runs.report import Report
    from shopbatch.warehouse.store import Store


def run(config: AnswerTicketsConfig, store: Store, report: Report) -> None:
    """Classify new tickets by intent, decide to answer, draft or escalate each, and publish decisions and replies."""
    from shopbatch.capabilities.support.answers.run import answer_tickets

    answer_tickets(config, store, report)


_SPECS = later("shopbatch.capabilities.support.answers.run:trial_specs")
JOB = Job("answer_tickets", AnswerTicketsConfig, run, specs=_SPECS, text="text", next="show ticket_answers")

if __name__ == "__main__":
    raise SystemExit(main(JOB))
