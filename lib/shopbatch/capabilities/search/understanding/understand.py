"""Reads a query: language, spelling, numbers, values, and what is excluded. Rules only; nothing is guessed."""

from __future__ import annotations

import re
from dataclasses import replace

from shopbatch.capabilities.search.understanding.need import Constraint, Need
from shopbatch.capabilities.search.understanding.nouns import head_of, modifiers_of
from shopbatch.capabilities.search.understanding.numbers import bare_size, measures
from shopbatch.capabilities.search.understanding.reading import Reading, read
from shopbatch.capabilities.search.understanding.spelling import Corrected, correct
from shopbatch.capabilities.search.understanding.tokens import Token, tokens
from shopbatch.capabilities.search.understanding.values import Phrase, name_values
from shopbatch.capabilities.search.understanding.vocabulary import HAN, Vocabulary, fold
from shopbatch.capabilities.search.understanding.words import listed
from shopbatch.text.quantities import fold_width

VERSION = 3  # of the rules; part of the recipes of the jobs that use them
LONGEST = 2_000  # characters of a query that are read
_YEARS = re.compile(
    r"(\d{1,2})\s*-?\s*(?:years?|yrs?|y)(?:\s*-?\s*olds?)?\b|(\d{1,2})\s*(?:周岁|岁)"
    r"|\b(?:daughter|son|girl|boy|child|kid|niece|nephew|grandson|granddaughter)\s+(?:is|turns)\s+(\d{1,2})\b"
)
_MONTHS = re.compile(r"\d{1,2}\s*-?\s*months?(?:\s*-?\s*olds?)\b|\d{1,2}\s*个?月(?:大|的?宝宝|的?婴儿)")


def understand(text: str, vocabulary: Vocabulary, language: str | None = None) -> Need:
    """Read what a query asks for.

    The rules of all languages are tried on every query, since shoppers mix them.

    Args:
        text: The query. What follows the first 2,000 characters is not read.
        vocabulary: What the catalogue speaks of.
        language: Of a query without Chinese characters, if it is known.
    """
    raw = "".join(c if c.isprintable() else " " for c in text[:LONGEST])
    spelt = correct(fold(fold_width(raw)), vocabulary)
    raw_spelt = raw if not spelt.corrections else spelt.text
    phrase = name_values(raw_spelt, tokens(spelt.text, measures(spelt.text, raw_spelt), vocabulary))
    reading = read(phrase)
    wanted = _wanted(phrase, reading)
    places = _subjects(phrase, reading)
    subjects = tuple(phrase.tokens[at].text for at in places)
    others = [c for c in reading.constraints if c.kind != "type" or c.op == "!="]
    others += _ages(spelt.text)
    others += _bare_sizes(phrase, reading, None if wanted is None else str(wanted.value), others)
    kept = [_placed(c, spelt) for c in _once(others)]
    return Need(
        language="zh" if HAN.search(spelt.text) else language or "en",
        terms=tuple(_terms(phrase, reading)),
        type=None if wanted is None else str(wanted.value),
        constraints=tuple(kept),
        unknown=tuple(c for c in kept if vocabulary.stated is not None and c.kind not in vocabulary.stated),
        vague=wanted is None and not subjects,
        subjects=subjects,
        head=head_of(phrase, places),
        modifiers=() if wanted is None else modifiers_of(phrase, reading, wanted.start),
        type_span=(0, 0) if wanted is None else (spelt.place(wanted.start), spelt.place(wanted.end)),
        corrections=spelt.corrections,
    )


def _placed(constraint: Constraint, spelt: Corrected) -> Constraint:
    """A constraint with its place in the query as it was written."""
    return replace(constraint, start=spelt.place(constraint.start), end=spelt.place(constraint.end))


def _wanted(phrase: Phrase, reading: Reading) -> Constraint | None:
    """The type of product that is asked for: the first one named; of several side by side the last."""
    excluded = {c.value for c in reading.constraints if c.op == "!=" and c.kind == "type"}
    places = {c.start: c for c in reading.constraints if c.kind == "type" and c.op == "=" and c.value not in excluded}
    wanted, previous = None, -2
    for at, token in enumerate(phrase.tokens):
        if token.has("want") and any(t.start in places for t in phrase.tokens[at + 1 :]):
            wanted, previous = None, -2  # what was named before is only told of
        if token.start in places and (wanted is None or previous == at - 1 or _is_head(phrase, previous, at)):
            wanted, previous = places[token.start], at
    return wanted


def _is_head(phrase: Phrase, first: int, second: int) -> bool:
    """Whether of two Chinese types the second is the thing: 配裙子的鞋."""
    return (
        bool(HAN.search(phrase.tokens[second].text))
        and any(t.text == "的" for t in phrase.tokens[first + 1 : second])
        and not any(t.sign for t in phrase.tokens[first + 1 : second])
    )


def _ages(text: str) -> list[Constraint]:
    """The age group that a number of years or months means: up to 12 years are a child."""
    out = [Constraint("age", "=", "baby", m.start(), m.end()) for m in _MONTHS.finditer(text)]
    for m in _YEARS.finditer(text):
        years = int(m[1] or m[2] or m[3])
        if 1 <= years <= 12 and ("old" in m.group() or m[2] or m[3]):
            out.append(Constraint("age", "=", "kids", m.start(), m.end()))
    return out


def _bare_sizes(phrase: Phrase, reading: Reading, wanted: str | None, others: list[Constraint]) -> list[Constraint]:
    """A bare number or letter beside clothes, shoes or a gender, if no size is stated."""
    if any(c.kind == "size" for c in others) or not _is_worn(phrase, wanted, others):
        return []
    for at, token in enumerate(phrase.tokens):
        following = phrase.tokens[at + 1] if at + 1 < len(phrase.tokens) else None
        if following is not None and following.start == token.end and following.sign != ",":
            continue  # 100%, 20支
        if token.measure is None and at not in reading.used and (size := bare_size(token.text)) is not None:
            return [Constraint("size", "=", size, token.start, token.end)]
    return []


def _is_worn(phrase: Phrase, wanted: str | None, others: list[Constraint]) -> bool:
    if wanted is None:
        return any(c.kind == "gender" for c in others)
    names = [wanted, *(t.text for t in phrase.tokens if t.type == wanted)]
    return any(
        name.endswith(tuple(listed("worn"))) or name.rstrip("s").endswith(tuple(listed("worn"))) for name in names
    )


def _once(constraints: list[Constraint]) -> list[Constraint]:
    """Each constraint once, in the order of the query; what is excluded is not demanded as well."""
    excluded = {(c.kind, c.value) for c in constraints if c.op == "!="}
    seen: dict[tuple[object, ...], Constraint] = {}
    for c in sorted(constraints, key=lambda c: (c.start, c.end)):
        if not (c.op == "=" and (c.kind, c.value) in excluded):
            seen.setdefault(c.triple, c)
    return list(seen.values())


def _terms(phrase: Phrase, reading: Reading) -> list[str]:
    """The words to search for."""
    return [t.text for at, t in enumerate(phrase.tokens) if at not in reading.excluded and _is_term(t)]


def _is_term(token: Token) -> bool:
    if token.measure is not None or token.sign:
        return False
    if token.entry.values or token.entry.brand or token.is_word:
        return True
    return token.has("neutral") and not (token.has("stop") or token.has("vague"))


def _subjects(phrase: Phrase, reading: Reading) -> tuple[int, ...]:
    """The words that could name a thing: no attributes, and not empty ones such as "something nice"."""
    return tuple(
        at
        for at, t in enumerate(phrase.tokens)
        if (t.is_word or any(kind == "brand" for kind, _ in phrase.values[at]))
        and at not in reading.excluded | reading.used
        and not t.text.isdigit()
        and not t.has("vague")
    )
