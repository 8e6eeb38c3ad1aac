"""Which sections of the shop's policies hold for a question: by intent, market, language and day."""

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
    """Words of a section that state a value. start, end: where they stand in the section's text, in characters."""

    role: str
    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Section:
    """A section of a policy, as tickets get to see it."""

    policy_id: str
    section: int
    language: str
    title: str | None
    text: str
    version: str
    values: tuple[Value, ...] = ()

    @property
    def id(self) -> str:
        """What claims call it."""
        return f"{self.policy_id}#{self.section}"


@dataclass(frozen=True)
class _Row:
    """A row of `policies`: the section, and for what it holds."""

    section: Section
    market: str | None
    valid_from: dt.date
    valid_to: dt.date


class Policies:
    """All sections of the shop, by intent. `languages`: those that they are written in."""

    def __init__(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Read rows of `policies` with the columns of COLUMNS."""
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
        """Return the sections that answer a question, those of one policy, in their order; none is an answer.

        1. Only what holds on the day, in the language, counts.
        2. Policies of the market come before those of every market. Where the market is unknown, policies of every
           market count, and if there are none and all others are of one market, these.
        3. Of several policies the one that came into force last counts, of these the one with the least name.
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
    own = [row for row in rows if market is not None and row.market == market]
    common = [row for row in rows if row.market is None]
    if own or common or market is not None:
        return own or common
    return list(rows) if len({row.market for row in rows}) == 1 else []
