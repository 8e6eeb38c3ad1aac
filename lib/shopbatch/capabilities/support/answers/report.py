"""The figures of answer_tickets: yesterday's tickets by intent and decision, why, and masked samples."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from typing import Any

import polars as pl

from shopbatch.runs.report import Figure, Report
from shopbatch.tables.ticket_answers import TICKET_ANSWERS
from shopbatch.tables.tickets import TICKET_DECISIONS
from shopbatch.warehouse.store import Store

_COLUMNS = ("created_at", "language", "intent", "decision", "reason", "urgency", "problems", "writer")
_INTENTS = 20  # bars of the chart
_NONE = "(none)"


def add_figures(store: Store, report: Report, measured: bool) -> None:
    """Add what the live answers show.

    Args:
        store: The warehouse.
        report: Is filled.
        measured: Whether the thresholds were chosen on labelled tickets.
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
    found = Counter(kind for kinds in rows["problems"].to_list() for kind in kinds or ())
    report.metrics["problems in generated texts"] = dict(sorted(found.items()))
    day, newest = _newest_day(rows)
    report.figures += [_by_intent(newest, day, measured), _reasons(newest, day)]


_DONE = {"answer": "answered", "draft": "drafted", "escalate": "handed over"}


def _shares(counts: Counter[str]) -> dict[str, float]:
    total = max(1, counts.total())
    return {_DONE[name]: round(counts[name] / total, 4) for name in TICKET_DECISIONS}


def _newest_day(rows: pl.DataFrame) -> tuple[dt.date | None, pl.DataFrame]:
    """The newest day of the tickets and its rows; all rows if no ticket has a date."""
    days = rows["created_at"].dt.date()
    day = days.max()
    if not isinstance(day, dt.date):
        return None, rows
    return day, rows.filter(days == day)


def _when(day: dt.date | None) -> str:
    return "all tickets" if day is None else f"tickets of {day}"


def _by_intent(rows: pl.DataFrame, day: dt.date | None, measured: bool) -> Figure:
    frame = rows.with_columns(pl.col("intent").fill_null(_NONE))
    most = [name for name, _ in Counter(frame["intent"].to_list()).most_common(_INTENTS)]
    series = {
        _DONE[name]: [frame.filter((pl.col("intent") == i) & (pl.col("decision") == name)).height for i in most]
        for name in TICKET_DECISIONS
    }
    caption = f"The newest {_when(day)} by what they are about."
    if not measured:
        caption += " The thresholds are not known for want of labelled tickets, so a person looks at every reply."
    return Figure("bars", "Tickets by intent", {"groups": most or [_NONE], "series": series}, caption)


def _reasons(rows: pl.DataFrame, day: dt.date | None) -> Figure:
    pairs = Counter(rows.select("decision", "reason").iter_rows())
    order: Sequence[Any] = sorted(pairs, key=lambda pair: (TICKET_DECISIONS.index(pair[0]), -pairs[pair], pair[1]))
    cells = [[_DONE[decision], reason, pairs[decision, reason]] for decision, reason in order]
    return Figure("table", "Why", {"columns": ["decision", "reason", "tickets"], "rows": cells}, f"{_when(day)}.")
