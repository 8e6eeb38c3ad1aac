"""How often each part of a text denies, by word lists (negation.yaml): a dropped negation turns what a text says round."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from shopbatch.text.word_files import WordFile, read_words

_CLAUSE = re.compile(r"[.!?;:,。！？；：，、\n()（）]|(?<=\s)(?:and|but|or|y|e|pero|und|aber|oder|et|mais|ou)(?=\s)", re.I)


class _Cues(WordFile):
    none: tuple[str, ...]
    strong: tuple[str, ...]
    concord: tuple[str, ...]
    weak: tuple[str, ...]


class _File(WordFile):
    """negation.yaml, where the fields are explained."""

    cues: dict[str, _Cues]


@dataclass(frozen=True)
class _Patterns:
    none: re.Pattern[str]
    strong: re.Pattern[str]
    concord: re.Pattern[str]
    weak: re.Pattern[str]


@dataclass(frozen=True)
class Denials:
    """How often a text denies, and the words that do."""

    strong: int
    weak: int
    words: tuple[str, ...]


@lru_cache(maxsize=1)
def _cues() -> dict[str, _Cues]:
    return read_words(_File, "shopbatch.capabilities.translation.checks", "negation.yaml").cues


def languages() -> tuple[str, ...]:
    """The languages with a list of words."""
    return tuple(_cues())


@lru_cache(maxsize=8)
def _patterns(language: str) -> _Patterns:
    cues = _cues()[language]
    never = ("(?!)",)
    return _Patterns(*(re.compile("|".join(part or never), re.I) for part in (cues.none, cues.strong, cues.concord, cues.weak)))


@lru_cache(maxsize=4_096)
def denials(text: str, language: str) -> Denials:
    """Count the denials of a text.

    Args:
        text: The text.
        language: One of `languages()`.
    """
    patterns = _patterns(language)
    text = patterns.none.sub(lambda m: "#" * len(m[0]), text)
    strong, weak, words = 0, 0, list[str]()
    start = 0
    bounds = [*(m.end() for m in _CLAUSE.finditer(text)), len(text)]
    for end in bounds:
        clause, start = text[start:end], end
        hits = [m[0] for m in patterns.strong.finditer(clause)]
        rest = patterns.strong.sub(" ", clause)
        also = [m[0] for m in patterns.concord.finditer(rest)]
        if also and not hits:
            hits = also[:1]
        strong += len(hits)
        weak += sum(1 for _ in patterns.weak.finditer(patterns.concord.sub(" ", rest)))
        words += hits
    return Denials(strong, weak, tuple(words))


def differ(one: str, other: str, languages_of: tuple[str, str]) -> str:
    """Say what a translation denies less or more often than the text; "" if it denies as often.

    Weak words may stand for strong ones, as far as one text has more of them than the other.

    Args:
        one: The text.
        other: Its translation.
        languages_of: Their languages.
    """
    a, b = denials(one, languages_of[0]), denials(other, languages_of[1])
    if b.strong + max(0, b.weak - a.weak) < a.strong:
        return f"the text denies {a.strong} times ({', '.join(a.words)}), the translation {b.strong}"
    if a.strong + max(0, a.weak - b.weak) < b.strong:
        return f"the translation denies {b.strong} times ({', '.join(b.words)}), the text {a.strong}"
    return ""


def aligned(one: Sequence[str], other: Sequence[str]) -> list[tuple[str, str]]:
    """Pair the sentences of two texts: one with one if they have as many, else the whole with the whole."""
    if len(one) == len(other):
        return list(zip(one, other, strict=True))
    return [(" ".join(one), " ".join(other))]
