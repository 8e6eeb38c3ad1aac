"""How often a text denies, by word lists (negation.yaml): a dropped negation turns round what it says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from shopbatch.text.word_files import WordFile, read_words

VERSION = 1
_CLAUSE = re.compile(r"[.!?;:,。！？；：，\n()（）]")


class _Cues(WordFile):
    none: tuple[str, ...]
    clause: tuple[str, ...]
    without: tuple[str, ...]
    concord: tuple[str, ...]
    part: tuple[str, ...]
    soft: tuple[str, ...]
    joint: tuple[str, ...]


class _File(WordFile):
    """negation.yaml, where the fields are explained."""

    cues: dict[str, _Cues]


@dataclass(frozen=True)
class Denials:
    """How often a text denies, by kind of word.

    Attributes:
        clause: Denied clauses.
        without: Things that are lacking.
        part: Denials that are part of a word's meaning.
        soft: Words that may stand for a denial.
        joint: Further things that a denial may hold for.
        double: Denials that undo each other: two in one clause.
        words: The words of `clause` and `without`.
    """

    clause: int = 0
    without: int = 0
    part: int = 0
    soft: int = 0
    joint: int = 0
    double: int = 0
    words: tuple[str, ...] = ()

    @property
    def strong(self) -> int:
        """Denials that need a counterpart."""
        return self.clause + self.without


@lru_cache(maxsize=1)
def _cues() -> dict[str, _Cues]:
    return read_words(_File, "shopbatch.capabilities.translation.checks", "negation.yaml").cues


def languages() -> tuple[str, ...]:
    """The languages with a list of words."""
    return tuple(_cues())


@lru_cache(maxsize=64)
def _pattern(language: str, kind: str) -> re.Pattern[str]:
    return re.compile("|".join(getattr(_cues()[language], kind) or ("(?!)",)), re.I)


@lru_cache(maxsize=4_096)
def denials(text: str, language: str) -> Denials:
    """Count the denials of a text.

    Args:
        text: The text.
        language: One of `languages()`.
    """
    text = _pattern(language, "none").sub(lambda m: "#" * len(m[0]), text)
    total, start, words = dict.fromkeys(("clause", "without", "part", "soft", "joint", "double"), 0), 0, list[str]()
    for end in [*(m.end() for m in _CLAUSE.finditer(text)), len(text)]:
        rest, start = text[start:end], end
        counts: dict[str, int] = {}
        for kind in ("clause", "without", "concord", "part", "soft"):
            pattern = _pattern(language, kind)
            hits = [m[0] for m in pattern.finditer(rest)]
            if kind == "concord":
                hits = hits[:1] if not counts["clause"] + counts["without"] else []
                counts["clause"] += len(hits)
                words += hits
            else:
                counts[kind] = len(hits)
                words += hits if kind in ("clause", "without") else []
            rest = pattern.sub(lambda m: "#" * len(m[0]), rest)
        strong = counts["clause"] + counts["without"]
        counts["joint"] = len(_pattern(language, "joint").findall(rest)) if strong else 0
        counts["double"] = 2 * (strong // 2)
        for kind, number in counts.items():
            total[kind] += number
    return Denials(**total, words=tuple(words))


def differ(one: str, other: str, codes: tuple[str, str]) -> str:
    """Say what a translation denies less or more often than the text; "" if it denies as often.

    Args:
        one: The text.
        other: Its translation.
        codes: Their languages.
    """
    a, b = denials(one, codes[0]), denials(other, codes[1])
    if _lacks(a, b):
        return f"the text denies {a.strong} times ({', '.join(a.words)}), the translation {b.strong}"
    if _lacks(b, a):
        return f"the translation denies {b.strong} times ({', '.join(b.words)}), the text {a.strong}"
    return ""


def _lacks(a: Denials, b: Denials) -> bool:
    """Whether a text denies something that the other one does not.

    Words that deny by part of their meaning may stand for denials of the other text, but not for two at once: where one
    text has as many of them, they stand for each other.
    """
    softer = max(0, b.soft - a.soft)
    have = b.strong + b.part + softer + b.joint
    if a.strong - a.double > have or (a.strong > have and b.strong % 2 == 1):
        return True
    return a.strong > b.strong + b.joint and a.strong + a.part - a.double > have


def aligned(one: Sequence[str], other: Sequence[str]) -> list[tuple[str, str]]:
    """Pair the sentences of two texts: one with one if they have as many, else the whole with the whole."""
    if len(one) == len(other):
        return list(zip(one, other, strict=True))
    return [(" ".join(one), " ".join(other))]
