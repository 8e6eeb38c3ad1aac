"""Decodes table rows into tickets with their facts, for the steps that write and judge replies."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from shopbatch.capabilities.support.answers.facts import Facts
from shopbatch.warehouse.utf8 import blank

CONTENT = ("subject", "text", "language", "questions", "as_of", "facts")


@dataclass(frozen=True)
class Read:
    """A ticket with its intents and facts.

    Attributes:
        text: Subject and text, one below the other.
        intents: Intent of each question; None where none is likely.
        confidences: Probability of each intent, 0 to 1; () if the column was not read.
        facts: Policies, orders and deadlines for the ticket.
        as_of: Date of the reply; None for a ticket without a date.
    """

    text: str
    intents: tuple[str | None, ...]
    confidences: tuple[float, ...]
    facts: Facts
    as_of: dt.date | None


def read_tickets(rows: pa.Table) -> Iterator[tuple[Read, str]]:
    """Yield each ticket and its language (ISO 639-1 code).

    Args:
        rows: Rows with the columns of CONTENT, and optionally `confidences`.
    """
    texts = [blank(rows[name]).to_pylist() for name in ("subject", "text")]
    names = ("language", "questions", "as_of", "facts")
    columns = (rows[name].to_pylist() for name in names)
    sure = rows["confidences"].to_pylist() if "confidences" in rows.column_names else [None] * rows.num_rows
    for subject, text, language, asked, as_of, facts, confidences in zip(*texts, *columns, sure, strict=True):
        intents = tuple(question["intent"] for question in asked or ())
        whole = "\n".join(part for part in (subject, text) if part)
        day: dt.date | None = as_of
        yield Read(whole, intents, tuple(confidences or ()), Facts.of(facts) if facts else Facts(), day), language
