"""Phrases for English attributes that are recognised by name and value: "Max load: 120 kg" -> "takes up to 120 kg".

Called by values.py.
"""

from __future__ import annotations

import re
from functools import lru_cache

from shopbatch.capabilities.copywriting.fact import BINDINGS, PART, Fact
from shopbatch.capabilities.copywriting.patterns import Names, Patterns
from shopbatch.capabilities.copywriting.wording import article, capital, listed, lowered

_PART_MEASURE = re.compile(r"(.+) (?:length|diameter|height)")  # Cable length: 1.2 m
_BOUND = re.compile(r"(?:hard|paper|soft)(?:back|cover)|spiral", re.I)
_COUNT = re.compile(r"\d{1,4}")
_STANDING = frozenset({"heel", "pile", "collar"})  # parts whose height is their own, not the product's
_PART_MATERIAL = re.compile(r"(.+) material")
_YEARS = re.compile(r"(\d{1,2}) ?-?years?")
_MEASURE = re.compile(r"\d[\d.,]* ?(?:mm|cm|m|in|inch|inches|ft|\")")
_MATERIAL = re.compile(r"[A-Za-z][a-z]+(?: [a-z]+)?")


def saying_of(label: str, shown: str, speech: Patterns) -> tuple[str, str]:
    """Return the special role of an attribute and its value as a sentence contains it; ("", "") if it has none.

    Example: ("Players", "2-4 players") -> ("players", "2-4").

    Args:
        label: The attribute's name.
        shown: Its value as a bullet shows it.
        speech: The patterns; `Patterns.sayings` has the rules for special roles.
    """
    low = lowered(label).lower()
    for role, saying in speech.sayings.items():
        if _compiled(saying.label).fullmatch(low) and (match := _compiled(saying.value).fullmatch(shown)):
            value = match.expand(saying.form) if saying.form else shown
            return role, _in_words(value) if saying.words else value
    return "", ""


@lru_cache(maxsize=256)
def _compiled(expression: str) -> re.Pattern[str]:
    """Compile a regular expression that ignores case; cached."""
    return re.compile(expression, re.I)


def _in_words(value: str) -> str:
    """Return a list of names as a sentence contains it: "Windows, macOS / Linux" -> "Windows, macOS and Linux".

    A first word such as Most becomes lower case.
    """
    first, blank, rest = value.partition(" ")
    value = f"{first.lower()}{blank}{rest}" if first.lower() in ("all", "any", "most", "many") else value
    return listed(re.split(r"\s*[,/]\s+", value))


def part_with(label: str, shown: str, names: Names) -> str:
    """Return an attribute about a part of the product as a noun phrase; "" if it is about no part.

    Examples: ("Cable length", "1.2 m") -> "a 1.2 m cable"; ("Frame material", "Acetate") -> "an acetate frame";
    ("Warranty", "2 years") -> "a 2-year warranty".

    Args:
        label: The attribute's name.
        shown: Its value as a bullet shows it.
        names: The English word lists.
    """
    low = lowered(label)
    if measured := _PART_MEASURE.fullmatch(low):
        part = measured[1]
        whole = low.endswith("height") and part not in _STANDING
        if part.split()[-1] in names.parts and not whole and _MEASURE.fullmatch(shown):
            return article(f"{shown} {part}")
    material = _PART_MATERIAL.fullmatch(low)
    if material and material[1] in names.parts and _MATERIAL.fullmatch(shown):
        return article(f"{lowered(shown)} {material[1]}")
    if low in ("warranty", "guarantee") and (years := _YEARS.fullmatch(shown)):
        return f"{article(f'{years[1]}-year')} {low}"
    return ""


def of_book(label: str, shown: str) -> Fact | None:
    """Return the pages or the binding of a book as a fact that is shown without its label; None for other attributes.

    Example: ("Pages", "192") -> "192 pages".
    """
    if label.lower() == "pages" and _COUNT.fullmatch(shown):
        return Fact(PART, label, f"{shown} pages", f"{shown} pages", True)
    if label.lower() in BINDINGS and _BOUND.fullmatch(shown):
        return Fact(PART, label, capital(shown.lower()), f"{shown.lower()} binding", True)
    return None
