"""Counts negations by word lists (negation.yaml), because a dropped negation reverses the meaning of a text.

Languages express the same negation by a clause ("does not contain"), by a lack ("without", "-free"), by part of a word
("unscented"), or by the opposite ("gentle" for "not irritating"). Therefore each text gets two numbers: the least
number of negations that its counterpart must have, and the greatest number that its own words can stand for. A negation
was dropped or added where the least of one text exceeds the greatest of the other.
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
_WORDS_BETWEEN, _HAN_BETWEEN = 4, 8  # greatest distance of negations in a list: no dyes, no perfume
_MARKS = re.compile(r"\d+|[A-Z][A-Za-z]+")
_REORDERED = 5  # with more sentences, another order is not tried
_FREE = ("zh", "ja")  # their lists of negations are often translated by opposites
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
    """Structure of negation.yaml; the file itself explains its fields."""

    cues: dict[str, _Cues]


@dataclass(frozen=True)
class Denials:
    """The negations of one text, counted by `denials`.

    Attributes:
        least: Number of negations that the other text must have. A list with the same negation ("no dyes, no perfume")
            is counted as one. Negations in questions and two negations that cancel each other are not counted.
        strong: Number of clear negations ("not", "without").
        weak: Numbers of three sorts of words that a translator may use for a negation: idioms ("no more"), parts of
            words and verbs ("un-", "avoid"), and words without a negation in them ("only", "sold out").
        lack: Number of the clear negations that express a lack ("without").
        positive: Number of words that express presence ("with", "contains").
        joint: Number of words that extend one negation to a second thing ("or" in "does not pill or fade").
        words: The words of the clear negations, for error messages.
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
    """Return the ISO 639-1 codes of the languages for which negation.yaml has a word list."""
    return tuple(_cues())


@lru_cache(maxsize=128)
def _pattern(language: str, kind: str) -> re.Pattern[str]:
    """Return the pattern of one word list of negation.yaml; it matches nothing if the list is empty.

    Args:
        language: ISO 639-1 code of the list's language.
        kind: Name of the list, a field of `_Cues` ("clause", "without", ...).
    """
    return re.compile("|".join(getattr(_cues()[language], kind) or ("(?!)",)), re.I)


@lru_cache(maxsize=4_096)
def denials(text: str, language: str) -> Denials:
    """Count the negations of a text.

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
            if kind == "concord":  # counts only far from another negation: ningún artículo ... no
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
    """Overwrite the matches of a pattern by "#", so that no other pattern finds them; the length stays the same.

    Of a match with three or more words ("ne protège pas") only the first and the last are overwritten.
    """

    def hidden(m: re.Match[str]) -> str:
        first, _, rest = m[0].partition(" ")
        middle, _, last = rest.rpartition(" ")
        return "#" * len(m[0]) if not middle else f"{'#' * len(first)} {middle} {'#' * len(last)}"

    return pattern.sub(hidden, text)


def _asked(text: str, place: int) -> bool:
    """Return True if the sentence around a position ends with a question mark."""
    end = _SENTENCE.search(text, place)
    return end is not None and end[0] in "?？"


def _lists(text: str, cues: Sequence[tuple[int, int]]) -> int:
    """Count negations, where neighbouring ones in the same words are one ("no dyes, no perfume" -> 1).

    Args:
        text: The text.
        cues: (start, end) of each negation, in order.
    """
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
    """Return the word of a negation in lower case, so that equal negations of a list are recognised.

    The Chinese 不 in 不含 and 不添加 becomes 无, which means the same.
    """
    word = text[start:end].lower()
    return "无" if word == "不" and text[end : end + 1] in ("含", "添", "加") else word


def differ(one: str, other: str, codes: tuple[str, str]) -> str:
    """Return a sentence that says that a translation dropped or added a negation; "" if the negations agree.

    Args:
        one: The text.
        other: Its translation.
        codes: ISO 639-1 codes of text and translation, both in `languages()`.
    """
    a, b = denials(one, codes[0]), denials(other, codes[1])
    if _lacks(a, b, singly=codes[0] not in _FREE):
        return f"the text denies {a.strong} times ({', '.join(a.words)}), the translation {b.strong}"
    if _lacks(b, a):
        return f"the translation denies {b.strong} times ({', '.join(b.words)}), the text {a.strong}"
    return ""


def _lacks(a: Denials, b: Denials, singly: bool = False) -> bool:
    """Return True if text `a` has more negations than the words of text `b` can express.

    All clear negations of `b` and its words of `Denials.joint` are counted. Weak words of `b` are counted only if `b`
    has more of them than `a`, because the others translate the weak words of `a`. Words such as "only" are not counted
    where `a` says that a thing is absent and `b` that it is present: "without a lid" is not "only with a lid".

    Args:
        a: Negations of the text whose negations must have a counterpart.
        b: Negations of the text in which the counterparts are looked for.
        singly: Whether each negation of a list is counted separately if `b` has more words of presence than `a`.
    """
    idioms, parts, others = (other - own for own, other in zip(a.weak, b.weak, strict=True))
    if a.lack and b.positive > a.positive and not b.strong and parts <= 0:
        others = 0
    most = b.strong + b.joint + max(0, idioms) + max(0, parts + others)
    return a.least > most or (singly and a.strong > most and b.positive > a.positive and a.least > 0)


def aligned(one: Sequence[str], other: Sequence[str]) -> list[tuple[str, str]]:
    """Pair the sentences of a text with those of its translation, so that negations are compared sentence by sentence.

    If the numbers of sentences differ, the result is one pair of the whole texts. Up to 5 sentences may be in another
    order in the translation; they are matched by the numbers and names that they share.

    Args:
        one: Sentences of the text.
        other: Sentences of the translation.
    """
    if len(one) == len(other):
        marks = [[set(_MARKS.findall(text)) for text in texts] for texts in (one, other)]
        orders = permutations(range(len(one))) if len(one) <= _REORDERED else iter([tuple(range(len(one)))])
        best = max(orders, key=lambda order: sum(len(a & marks[1][i]) for a, i in zip(marks[0], order, strict=True)))
        return [(text, other[i]) for text, i in zip(one, best, strict=True)]
    return [(" ".join(one), " ".join(other))]
