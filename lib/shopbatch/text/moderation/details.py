"""Finds contact details in a folded text (mail addresses, phone numbers, links, account names) with their positions.

The form of a detail tells its class (`email`, `phone`, `link`, `handle`, `number`, ...). Whether it invites contact is
decided by the rules (en.yaml, zh.yaml), most often by a contact word before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from shopbatch.core.privacy import find_personal
from shopbatch.text.word_files import WordFile, read_words

_DIGIT = re.compile("[0-9]")
_LABELS = {"[email]": "email", "[phone]": "phone", "[card]": "card", "[id]": "card"}
Place = tuple[str, int, int]  # class, start, end


class _Details(WordFile):
    """The content of details.yaml; the comments there explain the fields."""

    hint: str
    needs: dict[str, str]
    digits: dict[str, str]
    spoken: dict[str, str]
    patterns: dict[str, tuple[str, ...]]


@lru_cache(maxsize=1)
def _listed() -> _Details:
    return read_words(_Details, "shopbatch.text.moderation", "details.yaml")


@lru_cache(maxsize=1)
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((name, re.compile(p)) for name, listed in _listed().patterns.items() for p in listed)


@lru_cache(maxsize=1)
def _digit_runs() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Return two patterns: five or more digits with a few signs between, and a single digit.

    Digits may be in any script or in words.
    """
    digits, spoken = "".join(_listed().digits), "|".join(_listed().spoken)
    digit = rf"(?:[0-9{digits}]|(?<![a-z])(?:{spoken})(?![a-z])|(?<=[0-9])[oli](?![a-z])|(?<![a-z])[oli](?=[0-9]))"
    return re.compile(rf"(?<![0-9.]){digit}(?:[^\w\n]{{0,3}}{digit}){{4,23}}(?![0-9])"), re.compile(digit)


@lru_cache(maxsize=1)
def _hint() -> re.Pattern[str]:
    return re.compile(_listed().hint)


@lru_cache(maxsize=1)
def _needs() -> dict[str, re.Pattern[str]]:
    return {name: re.compile(pattern) for name, pattern in _listed().needs.items()}


def details(text: str) -> Iterator[Place]:
    """Yield (class, start, end) of the contact details in a folded text. They may overlap."""
    if not _hint().search(text):
        return
    needs = {name: bool(pattern.search(text)) for name, pattern in _needs().items()}
    for name, pattern in _patterns():
        if needs.get(name, True):
            for match in pattern.finditer(text):
                start, end = match.span("it" if "it" in pattern.groupindex else 0)
                yield name, start, end
    digits = len(_DIGIT.findall(text))
    if "@" in text or digits >= 7:  # as many as the shortest phone number has
        for label, start, end in find_personal(text):
            yield _LABELS.get(label, "other"), start, end
    if digits >= 5 or needs["spoken"] or needs["numerals"]:
        yield from _numbers(text)


def _numbers(text: str) -> Iterator[Place]:
    """Yield runs of digits as "number", and disguised Chinese mobile numbers also as "phone"."""
    whole, one = _digit_runs()
    for match in whole.finditer(text):
        digits = "".join(_digit(d) for d in one.findall(match[0]))
        plain = match[0].isdigit()
        yield "number", *match.span()
        if re.fullmatch(r"(?:86)?1[3-9]\d{9}", digits) and not plain:
            yield "phone", *match.span()


def _digit(said: str) -> str:
    """Return the ASCII digit that a character or word stands for."""
    listed = _listed()
    return listed.digits.get(said) or listed.spoken.get(said) or {"o": "0", "l": "1", "i": "1"}.get(said, said)
