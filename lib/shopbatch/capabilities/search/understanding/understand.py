"""Reads a query by rules: language, spelling, numbers, values and exclusions. No model is used; nothing is guessed."""

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

VERSION = 3  # of the rules; part of the recipes of jobs that use them
LONGEST = 2_000  # characters; the rest of a longer query is not read
_YEARS = re.compile(
    r"(\d{1,2})\s*-?\s*(?:years?|yrs?|y)(?:\s*-?\s*olds?)?\b|(\d{1,2})\s*(?:周岁|岁)"
    r"|\b(?:daughter|son|girl|boy|child|kid|niece|nephew|grandson|granddaughter)\s+(?:is|turns)\s+(\d{1,2})\b"
)
_MONTHS = re.compile(r"\d{1,2}\s*-?\s*months?(?:\s*-?\s*olds?)\b|\d{1,2}\s*个?月(?:大|的?宝宝|的?婴儿)")


def understand(text: str, vocabulary: Vocabulary, language: str | None = None) -> Need:
    """Read what a query asks for: type, conditions, and the words to search for.

    The rules of all languages are applied to every query, since shoppers mix languages.

    Args:
        text: The query. Only the first 2,000 characters are read.
        vocabulary: The types, brands and words of the catalogue.
        language: ISO 639-1 code of a query without Chinese characters; None if unknown.
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
    """Return a constraint whose begin and end refer to the query as written, before spelling was corrected."""
    return replace(constraint, start=spelt.place(constraint.start), end=spelt.place(constraint.end))


def _wanted(phrase: Phrase, reading: Reading) -> Constraint | None:
    """Return the type of product that is asked for; None if no known type is named.

    It is the first type that the query names; of several types side by side, the last. If a type follows a word such as
    "want", the types before that word are skipped.
    """
    excluded = {c.value for c in reading.constraints if c.op == "!=" and c.kind == "type"}
    places = {c.start: c for c in reading.constraints if c.kind == "type" and c.op == "=" and c.value not in excluded}
    wanted, previous = None, -2
    for at, token in enumerate(phrase.tokens):
        if token.has("want") and any(t.start in places for t in phrase.tokens[at + 1 :]):
            wanted, previous = None, -2  # types named before only describe the situation
        if token.start in places and (wanted is None or previous == at - 1 or _is_head(phrase, previous, at)):
            wanted, previous = places[token.start], at
    return wanted


def _is_head(phrase: Phrase, first: int, second: int) -> bool:
    """Return True if of two Chinese types joined by 的 the second is the product: 配裙子的鞋 asks for shoes."""
    return (
        bool(HAN.search(phrase.tokens[second].text))
        and any(t.text == "的" for t in phrase.tokens[first + 1 : second])
        and not any(t.sign for t in phrase.tokens[first + 1 : second])
    )


def _ages(text: str) -> list[Constraint]:
    """Return the age groups that ages in a text mean: months are "baby", 1 to 12 years are "kids"."""
    out = [Constraint("age", "=", "baby", m.start(), m.end()) for m in _MONTHS.finditer(text)]
    for m in _YEARS.finditer(text):
        years = int(m[1] or m[2] or m[3])
        if 1 <= years <= 12 and ("old" in m.group() or m[2] or m[3]):
            out.append(Constraint("age", "=", "kids", m.start(), m.end()))
    return out


def _bare_sizes(phrase: Phrase, reading: Reading, wanted: str | None, others: list[Constraint]) -> list[Constraint]:
    """Return the size that a lone number or letter means beside clothes, shoes or a gender.

    Returns:
        At most one constraint; none if the query states another size.
    """
    if any(c.kind == "size" for c in others) or not _is_worn(phrase, wanted, others):
        return []
    for at, token in enumerate(phrase.tokens):
        following = phrase.tokens[at + 1] if at + 1 < len(phrase.tokens) else None
        if following is not None and following.start == token.end and following.sign != ",":
            continue  # a number with its unit: 100%, 20支
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
    """Return each constraint once, in the order of the query; a value that is excluded is not demanded as well."""
    excluded = {(c.kind, c.value) for c in constraints if c.op == "!="}
    seen: dict[tuple[object, ...], Constraint] = {}
    for c in sorted(constraints, key=lambda c: (c.start, c.end)):
        if not (c.op == "=" and (c.kind, c.value) in excluded):
            seen.setdefault(c.triple, c)
    return list(seen.values())


def _terms(phrase: Phrase, reading: Reading) -> list[str]:
    """Return the words to search for: values, brands and unknown words that are not excluded."""
    return [t.text for at, t in enumerate(phrase.tokens) if at not in reading.excluded and _is_term(t)]


def _is_term(token: Token) -> bool:
    if token.measure is not None or token.sign:
        return False
    if token.entry.values or token.entry.brand or token.is_word:
        return True
    return token.has("neutral") and not (token.has("stop") or token.has("vague"))


def _subjects(phrase: Phrase, reading: Reading) -> tuple[int, ...]:
    """Return the numbers of the tokens that could name the product.

    Attributes, words inside a scope, numbers and vague words ("something nice") are left out.
    """
    return tuple(
        at
        for at, t in enumerate(phrase.tokens)
        if (t.is_word or any(kind == "brand" for kind, _ in phrase.values[at]))
        and at not in reading.excluded | reading.used
        and not t.text.isdigit()
        and not t.has("vague")
    )
