"""Finds the sections of the shop's policies that apply to a question, by intent, market, language and day."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

COLUMNS = (
    *("policy_id", "section", "language", "market", "intents", "title", "text", "values", "valid_from", "valid_to"),
    "version",
)


@dataclass(frozen=True)
class Value:
    """Words in a policy's section that state a value, such as "30 days".

    Attributes:
        role: Meaning of the value, such as return_days.
        text: The words.
        start, end: Position in the section's text, in characters; `end` is exclusive.
    """

    role: str
    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Section:
    """A section of a policy, as it becomes a fact of a ticket; the fields are columns of `policies`."""

    policy_id: str
    section: int
    language: str
    title: str | None
    text: str
    version: str
    values: tuple[Value, ...] = ()

    @property
    def id(self) -> str:
        """Return the id by which claims cite the section: `policy_id#section`."""
        return f"{self.policy_id}#{self.section}"


@dataclass(frozen=True)
class _Row:
    """A row of `policies`: a section, and where and when it applies.

    Attributes:
        section: The section.
        market: The market to which it applies; None for every market.
        valid_from: First day on which it applies; date.min if unlimited.
        valid_to: Last day on which it applies; date.max if unlimited.
    """

    section: Section
    market: str | None
    valid_from: dt.date
    valid_to: dt.date


class Policies:
    """All sections of the shop's policies, indexed by intent; `languages` is the set of their languages."""

    def __init__(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Index rows of `policies` with the columns of COLUMNS."""
        self._by_intent: dict[str, list[_Row]] = defaultdict(list)
        self.languages: set[str] = set()
        for row in rows:
            self.languages.add(row["language"])
            values = tuple(Value(v["role"], v["text"], v["start"], v["end"]) for v in row["values"] or ())
            section = Section(
                row["policy_id"], row["section"], row["language"], row["title"], row["text"], row["version"], values
            )
            known = _Row(section, row["market"], row["valid_from"] or dt.date.min, row["valid_to"] or dt.date.max)
            for intent in row["intents"] or ():
                self._by_intent[intent].append(known)

    def sections(self, intent: str, market: str | None, language: str, day: dt.date) -> list[Section]:
        """Return the sections of the one policy that applies to a question, in order; [] if none applies.

        1. Only sections in the language that are in force on the day are considered.
        2. A policy of the customer's market is preferred to one for every market. If the market is unknown, a policy
          for every market applies; if there is none, and all policies are of one market, one of these applies.
        3. Of several policies, the one that came into force last applies; of those of the same day, that with the
          smallest id.

        Args:
            intent: Intent of the question.
            market: Market of the customer; None if unknown.
            language: ISO 639-1 code.
            day: The day on which the sections must be in force.
        """
        there = [
            row
            for row in self._by_intent.get(intent, ())
            if row.section.language == language and row.valid_from <= day <= row.valid_to
        ]
        rows = _of_market(there, market)
        if not rows:
            return []
        newest = max(row.valid_from for row in rows)
        policy = min(row.section.policy_id for row in rows if row.valid_from == newest)
        chosen = {row.section.section: row.section for row in rows if row.section.policy_id == policy}
        return [chosen[number] for number in sorted(chosen)]


def _of_market(rows: Sequence[_Row], market: str | None) -> list[_Row]:
    """Return the rows that apply to a market (None if unknown), by rule 2 of `Policies.sections`."""
    own = [row for row in rows if market is not None and row.market == market]
    common = [row for row in rows if row.market is None]
    if own or common or market is not None:
        return own or common
    return list(rows) if len({row.market for row in rows}) == 1 else []
