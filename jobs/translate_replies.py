"""ticket_answers -> checked translations by language -> reply_translations, reply_translations_rejects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopbatch.capabilities.translation.config import TranslateRepliesConfig
from shopbatch.runs.job import Job, later, main

if TYPE_CHECKING:
    from shopbatch.runs.report import Report
    from shopbatch.warehouse.store import Store


def run(config: TranslateRepliesConfig, store: Store, report: Report) -> None:
    """Translate new and changed replies to tickets, and publish the translations that pass the checks."""
    from shopbatch.capabilities.translation.run import translate

    translate("translate_replies", config, store, report)


_SPECS = later("shopbatch.capabilities.translation.run:reply_specs")
JOB = Job(
    "translate_replies",
    TranslateRepliesConfig,
    run,
    session="late ray",
    specs=_SPECS,
    text="text",
    rows=later("shopbatch.capabilities.translation.trial:reply_rows"),
    next="show reply_translations",
)

if __name__ == "__main__":
    raise SystemExit(main(JOB))
