"""How often a text denies, by word lists (negation.yaml): a dropped negation turns round what it says.

Languages deny the same thing by a clause (does not contain), by a lack (without, -free), by part of a word (unscented),
or by saying the opposite (gentle for not irritating). So a text has two numbers: the least denials that a translation
has to have a counterpart for, and the most that its words may be a counterpart of. A denial is lost where the least of
one text is more than the most of the other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations

from shopbatch.text.word_files import WordFile, read_words

VERSION = 3
_CLAUSE = re.compile(r"[.!?;:,。！？；：，\n()（）]")
_SENTENCE = re.compile(r"[.!?;:。！？；：\n]")
_WORDS_BETWEEN, _HAN_BETWEEN = 4, 8  # most words or characters between denials of a list: no dyes, no perfume
_MARKS = re.compile(r"\d+|[A-Z][A-Za-z]+")
_REORDERED = 5  # most sentences whose order is looked at
_FREE = ("zh", "ja")  # languages whose lists of denials are often said by their opposites in others
_HAN = re.compile(r"[\u3400-\u9fff]")


class _Cues(WordFile):
    none: tuple[str, ...]
    lexical: tuple[str, ...]
    clause: tuple[str, ...]
    without: tuple[str, ...]
    concord: tuple[str, ...]
    part: tuple[str, ...]
    soft: tuple[str, ...]
    joint: tuple[str, ...]
    positive: tuple[str, ...]
    double: tuple[str, ...]


class _File(WordFile):
    """negation.yaml, where the fields are explained."""

    cues: dict[str, _Cues]


@dataclass(frozen=True)
class Denials:
    """How often a text denies.

    Attributes:
        least: Denials that need a counterpart: a list counts once, what is asked or undone not at all.
        strong: Denials that may be a counterpart.
        weak: Words that may stand for a denial, by kind: idioms, parts of words, words of another meaning.
        lack: Those of the strong denials that say that a thing lacks.
        positive: Words for the presence of a thing.
        joint: Further things that a denial may hold for.
        words: The words of the strong denials.
    """

    least: int = 0
    strong: int = 0
    weak: tuple[int, int, int] = (0, 0, 0)
    lack: int = 0
    positive: int = 0
    joint: int = 0
    words: tuple[str, ...] = ()


@lru_cache(maxsize=1)
def _cues() -> dict[str, _Cues]:
    return read_words(_File, "shopbatch.capabilities.translation.checks", "negation.yaml").cues


def languages() -> tuple[str, ...]:
    """The languages with a list of words."""
    return tuple(_cues())


@lru_cache(maxsize=128)
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
    weak = [len(_pattern(language, "lexical").findall(text)), 0, 0]
    undone = [m.span() for m in _pattern(language, "double").finditer(text)]
    text = _pattern(language, "lexical").sub(lambda m: "#" * len(m[0]), text)
    strong: list[tuple[int, int]] = []
    joint = start = lack = 0
    for end in [*(m.end() for m in _CLAUSE.finditer(text)), len(text)]:
        rest, offset, start = text[start:end], start, end
        cues: list[tuple[int, int]] = []
        for kind in ("clause", "without", "concord"):
            hits = [(offset + m.start(), offset + m.end()) for m in _pattern(language, kind).finditer(rest)]
            if kind == "concord":  # apart from another denial: ningún artículo ... no
                first = min(cues, default=(len(text), 0))[0]
                hits = [hit for hit in hits[:1] if not cues or len(text[hit[1] : first].split()) > _WORDS_BETWEEN]
            cues += hits
            lack += len(hits) if kind == "without" else 0
            rest = _masked(rest, _pattern(language, kind))
        for place, kind in enumerate(("part", "soft"), 1):
            weak[place] += len(_pattern(language, kind).findall(rest))
            rest = _masked(rest, _pattern(language, kind))
        joint += len(_pattern(language, "joint").findall(rest)) if cues else 0
        strong += sorted(cues)
    needed = [cue for cue in strong if not any(a <= cue[0] < b for a, b in undone) and not _asked(text, cue[0])]
    words = tuple(text[a:b] for a, b in strong)
    positive = len(_pattern(language, "positive").findall(text))
    return Denials(_lists(text, needed), len(strong), (weak[0], weak[1], weak[2]), lack, positive, joint, words)


def _masked(text: str, pattern: re.Pattern[str]) -> str:
    """A text with signs for what a pattern matches; of several words (ne protège pas) for the first and the last."""

    def hidden(m: re.Match[str]) -> str:
        first, _, rest = m[0].partition(" ")
        middle, _, last = rest.rpartition(" ")
        return "#" * len(m[0]) if not middle else f"{'#' * len(first)} {middle} {'#' * len(last)}"

    return pattern.sub(hidden, text)


def _asked(text: str, place: int) -> bool:
    """Whether a denial is part of a question."""
    end = _SENTENCE.search(text, place)
    return end is not None and end[0] in "?？"


def _lists(text: str, cues: Sequence[tuple[int, int]]) -> int:
    """The number of denials of which the next one of a list, in the same words, counts as one with it."""
    number, last = 0, None
    for a, b in cues:
        between = text[last[1] : a] if last else ""
        said = [_form(text, *cue) for cue in ((a, b), last)] if last else ["", " "]
        han = bool(_HAN.search(said[0]))
        near = len(_HAN.findall(between)) <= _HAN_BETWEEN if han else len(between.split()) <= _WORDS_BETWEEN
        if not (last and near and said[0] == said[1]):
            number += 1
        last = (a, b)
    return number


def _form(text: str, start: int, end: int) -> str:
    """What a denial is written with; 无 and 不含 are the same."""
    word = text[start:end].lower()
    return "无" if word == "不" and text[end : end + 1] in ("含", "添", "加") else word


def differ(one: str, other: str, codes: tuple[str, str]) -> str:
    """Say what a translation denies less or more often than the text; "" if it may deny the same.

    Args:
        one: The text.
        other: Its translation.
        codes: Their languages.
    """
    a, b = denials(one, codes[0]), denials(other, codes[1])
    if _lacks(a, b, singly=codes[0] not in _FREE):
        return f"the text denies {a.strong} times ({', '.join(a.words)}), the translation {b.strong}"
    if _lacks(b, a):
        return f"the translation denies {b.strong} times ({', '.join(b.words)}), the text {a.strong}"
    return ""


def _lacks(a: Denials, b: Denials, singly: bool = False) -> bool:
    """Whether a text denies something that the other one does not.

    Words that may stand for a denial stand for those of the other text first: only what is left may stand for a denial.
    A word of another meaning stands for no lack where the other text has the thing: without a lid, only with a lid.
    If `singly`, each denial of a list counts where the other text has something instead that this one has not.
    """
    idioms, parts, others = (other - own for own, other in zip(a.weak, b.weak, strict=True))
    if a.lack and b.positive > a.positive and not b.strong and parts <= 0:
        others = 0
    most = b.strong + b.joint + max(0, idioms) + max(0, parts + others)
    return a.least > most or (singly and a.strong > most and b.positive > a.positive and a.least > 0)


def aligned(one: Sequence[str], other: Sequence[str]) -> list[tuple[str, str]]:
    """Pair the sentences of two texts: one with one if they have as many, else the whole with the whole.

    Sentences that a translation puts in another order are known by the figures and names that both have.
    """
    if len(one) == len(other):
        marks = [[set(_MARKS.findall(text)) for text in texts] for texts in (one, other)]
        orders = permutations(range(len(one))) if len(one) <= _REORDERED else iter([tuple(range(len(one)))])
        best = max(orders, key=lambda order: sum(len(a & marks[1][i]) for a, i in zip(marks[0], order, strict=True)))
        return [(text, other[i]) for text, i in zip(one, best, strict=True)]
    return [(" ".join(one), " ".join(other))]
