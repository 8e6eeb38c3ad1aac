"""What replies may not add to a shop's facts, concept by concept, as data (reply_rules.*.yaml)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from shopbatch.text.word_files import WordFile, read_words


class State(WordFile):
    """What is said of the state of an order. words: a regular expression; true_of: the states of which it is true."""

    words: str
    true_of: tuple[str, ...]


class Benefit(WordFile):
    """What a shop may grant. said: a regular expression for it in replies; known: for words of facts that grant it."""

    said: str
    known: str


class RuleFile(WordFile):
    """reply_rules.en.yaml or reply_rules.zh.yaml, where the fields are explained."""

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
        text: Its words.
        start: Where it begins in the sentence.
        asserts: Whether it states something, and neither supposes nor asks it.
        denies: Whether it denies something, or sets it apart.
    """

    text: str
    start: int
    asserts: bool
    denies: bool


@lru_cache(maxsize=2)
def rules(language: str) -> RuleFile:
    """Return the rules of a language: Chinese, or any other as English."""
    return read_words(RuleFile, "shopbatch.grounding", f"reply_rules.{'zh' if language == 'zh' else 'en'}.yaml")


def clauses(text: str, language: str) -> Iterator[Clause]:
    """Yield the clauses of a sentence."""
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
    """Yield the parts of a sentence within which a denial holds, each with its place."""
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
    """Whether a text denies what stands at a place in it."""
    file = rules(language)
    if re.search(file.supposes, text, re.I) and not re.search(file.sets_apart, text, re.I):
        return False
    rest = re.sub(file.states_negative, " ", text[:start] + " " + text[end:], flags=re.I)
    if re.search(file.denies, rest, re.I):
        return True
    return any(m.start() < start for m in re.finditer(file.exempts, text, re.I))


def found(pattern: str, text: str) -> Iterator[re.Match[str]]:
    """Yield where a pattern of the rules stands in a text, whatever its capitals."""
    return (m for m in re.finditer(pattern, text, re.I) if m[0].strip())
