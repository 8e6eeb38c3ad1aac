"""What is read of a ticket before a reply is written."""

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
    """A ticket. confidences: of the intents; empty where a reply does not depend on them."""

    text: str
    intents: tuple[str | None, ...]
    confidences: tuple[float, ...]
    facts: Facts
    as_of: dt.date | None


def read_tickets(rows: pa.Table) -> Iterator[tuple[Read, str]]:
    """Read rows with the columns of CONTENT, and `confidences` if it is there: the ticket, and its language."""
    texts = [blank(rows[name]).to_pylist() for name in ("subject", "text")]
    names = ("language", "questions", "as_of", "facts")
    columns = (rows[name].to_pylist() for name in names)
    sure = rows["confidences"].to_pylist() if "confidences" in rows.column_names else [None] * rows.num_rows
    for subject, text, language, asked, as_of, facts, confidences in zip(*texts, *columns, sure, strict=True):
        intents = tuple(question["intent"] for question in asked or ())
        whole = "\n".join(part for part in (subject, text) if part)
        day: dt.date | None = as_of
        yield Read(whole, intents, tuple(confidences or ()), Facts.of(facts) if facts else Facts(), day), language
