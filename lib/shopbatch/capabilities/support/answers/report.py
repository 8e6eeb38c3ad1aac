"""Fills the report of `answer_tickets`: decisions, reasons, tickets by intent, sample replies, and agents' feedback."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from typing import Any

import polars as pl

from shopbatch.capabilities.support.answers.config import EXTRACT, TEMPLATE
from shopbatch.capabilities.support.answers.replies import POLICY
from shopbatch.runs.report import Figure, Report
from shopbatch.tables.ticket_answers import TICKET_ANSWERS
from shopbatch.tables.tickets import TICKET_DECISIONS, TICKET_FEEDBACK
from shopbatch.warehouse.store import Store

_COLUMNS = (
    "created_at",
    "language",
    "intent",
    "decision",
    "reason",
    "urgency",
    "problems",
    "writer",
    "reply",
    "claims",
)
_SHOWN = 6  # most sample replies
_INTENTS = 20  # most bars of the chart
_NONE = "(none)"


def add_figures(store: Store, report: Report, measured: bool) -> None:
    """Add metrics, highlights and figures of the live answers to the report; nothing if none are published.

    Args:
        store: The warehouse.
        report: The report of the run, which is filled in.
        measured: True if the model's thresholds were chosen on labelled questions (`Rules.measured`).
    """
    live = store.find(TICKET_ANSWERS.name)
    if live is None:
        return
    rows = pl.DataFrame(live.read(list(_COLUMNS)))
    counts = Counter(rows["decision"].to_list())
    report.highlights = {_DONE[name]: f"{counts[name]:,}" for name in TICKET_DECISIONS}
    report.metrics["decisions"] = _shares(counts)
    report.metrics["reasons"] = dict(sorted(Counter(rows["reason"].to_list()).items()))
    report.metrics["urgency"] = dict(sorted(Counter(rows["urgency"].drop_nulls().to_list()).items()))
    problems = Counter(kind for kinds in rows["problems"].to_list() for kind in kinds or ())
    report.metrics["problems in generated texts"] = dict(sorted(problems.items()))
    day, newest = _newest_day(rows)
    report.figures += [_by_intent(newest, day, measured), _reasons(newest, day), _some_replies(newest)]
    feedback = store.find(TICKET_FEEDBACK.name)
    if feedback is not None:
        sent = pl.DataFrame(feedback.read(["ticket_id", "intent", "reply"]))
        report.metrics["feedback"] = _feedback(pl.DataFrame(live.read(["ticket_id", "intent", "reply"])), sent)


_DONE = {"answer": "answered", "draft": "drafted", "escalate": "handed over"}


def _shares(counts: Counter[str]) -> dict[str, float]:
    """Return the share (0 to 1) of each decision."""
    total = max(1, counts.total())
    return {_DONE[name]: round(counts[name] / total, 4) for name in TICKET_DECISIONS}


def _newest_day(rows: pl.DataFrame) -> tuple[dt.date | None, pl.DataFrame]:
    """Return the newest day of the tickets and its rows; (None, all rows) if no ticket has a date."""
    days = rows["created_at"].dt.date()
    day = days.max()
    if not isinstance(day, dt.date):
        return None, rows
    return day, rows.filter(days == day)


def _when(day: dt.date | None) -> str:
    return "all tickets" if day is None else f"tickets of {day}"


def _by_intent(rows: pl.DataFrame, day: dt.date | None, measured: bool) -> Figure:
    """Return a bar chart of the newest tickets by intent and decision."""
    frame = rows.with_columns(pl.col("intent").fill_null(_NONE))
    most = [name for name, _ in Counter(frame["intent"].to_list()).most_common(_INTENTS)]
    series = {
        _DONE[name]: [frame.filter((pl.col("intent") == i) & (pl.col("decision") == name)).height for i in most]
        for name in TICKET_DECISIONS
    }
    caption = f"The newest {_when(day)} by what they are about."
    if not measured:
        caption += " Without labelled tickets or questions no threshold is known, so a person looks at every reply."
    return Figure("bars", "Tickets by intent", {"groups": most or [_NONE], "series": series}, caption)


def _reasons(rows: pl.DataFrame, day: dt.date | None) -> Figure:
    """Return a table that counts the newest tickets by decision and reason."""
    pairs = Counter(rows.select("decision", "reason").iter_rows())
    order: Sequence[Any] = sorted(pairs, key=lambda pair: (TICKET_DECISIONS.index(pair[0]), -pairs[pair], pair[1]))
    cells = [[_DONE[decision], reason, pairs[decision, reason]] for decision, reason in order]
    return Figure("table", "Why", {"columns": ["decision", "reason", "tickets"], "rows": cells}, f"{_when(day)}.")


def _some_replies(rows: pl.DataFrame) -> Figure:
    """Return a table of a few template replies of different intents.

    Replies that name an order are left out, so that nothing in the table is about a customer.
    """
    quoted = rows.filter(pl.col("reply").is_not_null() & pl.col("writer").is_in([TEMPLATE, EXTRACT]))
    general = quoted.filter(~pl.col("claims").list.eval(pl.element().struct.field("source") != POLICY).list.any())
    some = (
        general.unique(["intent", "language"], keep="first", maintain_order=True)
        .sort("intent", "language")
        .head(_SHOWN)
    )
    cells = [list(row) for row in some.select("language", "intent", "decision", "reason", "reply").iter_rows()]
    columns = ["language", "intent", "decision", "reason", "reply"]
    return Figure("table", "Some replies", {"columns": columns, "rows": cells}, "Replies that name no order.")


def _feedback(made: pl.DataFrame, sent: pl.DataFrame) -> dict[str, Any]:
    """Compare the answers with agents' feedback, by the intent that the agent stated.

    Args:
        made: ticket_id, intent and reply that the job made.
        sent: ticket_id, intent and reply that the agents used.

    Returns:
        For each intent a dict of three counts: all tickets with feedback, tickets whose intent the job predicted right,
        and tickets whose reply was sent unchanged.
    """
    both = made.join(sent, on="ticket_id", suffix="_sent").filter(pl.col("intent_sent").is_not_null())
    known = both.with_columns(
        right=(pl.col("intent") == pl.col("intent_sent")).fill_null(False),
        unchanged=(pl.col("reply") == pl.col("reply_sent")).fill_null(False),
    )
    by_intent = known.group_by("intent_sent").agg(pl.len(), pl.col("right", "unchanged").sum()).sort("intent_sent")
    names = ("tickets", "intent right", "reply sent as it is")
    return {row[0]: dict(zip(names, row[1:], strict=True)) for row in by_intent.iter_rows()}
