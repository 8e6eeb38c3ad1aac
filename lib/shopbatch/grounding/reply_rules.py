"""Loads the rules of reply_rules.*.yaml, by which the reply checks find statements that the shop's facts do not make.

It also splits sentences into clauses, and tells what they deny.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from shopbatch.text.word_files import WordFile, read_words


class State(WordFile):
    """A statement that a reply may make about the state of an order.

    Attributes:
        words: Regular expression of the statement.
        true_of: The values of `OrderFacts.status` for which the statement is true.
    """

    words: str
    true_of: tuple[str, ...]


class Benefit(WordFile):
    """A benefit that a shop may grant.

    Attributes:
        said: Regular expression of the benefit in replies.
        known: Regular expression of facts that grant it.
    """

    said: str
    known: str


class RuleFile(WordFile):
    """The content of reply_rules.en.yaml or reply_rules.zh.yaml; the head of the files explains the fields."""

    clauses: str
    hedges: str
    supposes: str
    obliging: str
    negates: str
    denies: str
    exempts: str
    sets_apart: str
    includes: str
    segments: str
    ours: str
    another: str
    states: dict[str, State]
    events: dict[str, str]
    totals: str
    singles: str
    carriers: str
    attributes: str
    codes: str
    begins: str
    begins_behind: str
    begun_with: dict[str, str]
    scopes: dict[str, str]
    asked: tuple[str, ...]
    benefits: dict[str, str | Benefit]
    parity: str
    restricts: str
    states_negative: str
    perhaps: str
    despite: str
    sides: tuple[tuple[str, str], ...]
    opposites: tuple[tuple[str, str], ...]
    offers: str
    blames: str


@dataclass(frozen=True)
class Clause:
    """A clause of a sentence.

    Attributes:
        text: The words of the clause.
        start: Start of the clause in the sentence, in characters.
        asserts: True if the clause states something as a fact; False for a condition, a possibility or a question.
        denies: True if it denies something or names an exception.
    """

    text: str
    start: int
    asserts: bool
    denies: bool


@lru_cache(maxsize=2)
def rules(language: str) -> RuleFile:
    """Return the rules of a language: "zh", or any other as English."""
    return read_words(RuleFile, "shopbatch.grounding", f"reply_rules.{'zh' if language == 'zh' else 'en'}.yaml")


def clauses(text: str, language: str) -> Iterator[Clause]:
    """Yield the clauses of a sentence in order; each `Clause` also says whether it asserts or denies something.

    Args:
        text: The sentence.
        language: "zh"; any other is read as English.
    """
    file, start = rules(language), 0
    ends = [m.span() for m in re.finditer(file.clauses, text, re.I)]
    for first, last in [*ends, (len(text), len(text))]:
        piece = text[start:first]
        if piece.strip():
            asks = text.rstrip().endswith(("?", "？")) and first == len(text)
            asserts = not asks and not re.search(file.hedges, piece, re.I)
            yield Clause(piece, start, asserts, bool(re.search(file.negates, piece, re.I)))
        start = last


def cut(text: str, language: str) -> Iterator[tuple[int, str]]:
    """Split a sentence into parts such that a denial applies only to its own part; yield (start, text) of each part."""
    start, file = 0, rules(language)
    for m in [*re.finditer(file.segments, text, re.I), None]:
        first = m.start() if m else len(text)
        comma = (
            re.search("[,，]", text[start:first])
            if re.match(rf"\W*(?:{file.supposes})", text[start:first], re.I)
            else None
        )
        if comma:
            yield start, text[start : start + comma.start()]
            start += comma.start()
        if text[start:first].strip():
            yield start, text[start:first]
        start = first


def is_denied(text: str, start: int, end: int, language: str) -> bool:
    """Return True if a text denies the phrase at [start, end), such as a benefit."""
    file = rules(language)
    if re.search(file.supposes, text, re.I) and not re.search(file.sets_apart, text, re.I):
        return False
    rest = re.sub(file.states_negative, " ", text[:start] + " " + text[end:], flags=re.I)
    if re.search(file.denies, rest, re.I):
        return True
    return any(m.start() < start for m in re.finditer(file.exempts, text, re.I))


def found(pattern: str, text: str) -> Iterator[re.Match[str]]:
    """Yield the matches of a regular expression in a text, ignoring case; matches of blanks alone are left out."""
    return (m for m in re.finditer(pattern, text, re.I) if m[0].strip())
