"""The questions of a ticket: where each begins and ends in its text (questions.yaml)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from shopbatch.text.word_files import WordFile, read_words

VERSION = 1  # of what is cut, words included
_HAN = re.compile(r"[\u3400-\u9fff]")
_QUESTION = ("?", "？")
_PARTS = re.compile(r"[,，:：]")
_AROUND = " \t\n.,;:!?。，；：！？…~～"


class _Least(WordFile):
    letters: int
    han: int


class _Words(WordFile):
    ends: tuple[str, ...]
    asks: dict[str, str]
    courtesy: dict[str, str]
    joins: dict[str, str]
    least: _Least


@dataclass(frozen=True)
class _Patterns:
    ends: re.Pattern[str]
    asks: re.Pattern[str]
    courtesy: re.Pattern[str]
    joins: re.Pattern[str]
    least: _Least


@lru_cache(maxsize=1)
def _patterns() -> _Patterns:
    words = read_words(_Words, "shopbatch.capabilities.support.answers", "questions.yaml")

    def any_of(patterns: dict[str, str]) -> re.Pattern[str]:
        return re.compile("|".join(f"(?:{pattern})" for pattern in patterns.values()), re.I)

    ends = re.compile("|".join(words.ends))
    return _Patterns(ends, any_of(words.asks), any_of(words.courtesy), any_of(words.joins), words.least)


def questions(text: str) -> list[tuple[int, int]]:
    """Return where the questions of a ticket stand, in characters, in order; one or more, that of the whole text if it
    has one question or none.

    What is said before a question belongs to it; what is said after the last one, too. A piece that is too short to be
    understood alone belongs to the question before it.
    """
    pieces: list[list[int]] = []
    begin, pending = 0, False
    for start, end in _sentences(text):
        begin = begin if pending else start
        pending = True
        if not _asks(text[start:end]):
            continue
        if pieces and _is_short(text[begin:end]):
            pieces[-1][1] = end
        else:
            pieces.append([begin, end])
        pending = False
    first, last = _bounds(text)
    if len(pieces) < 2:
        return [(first, last)]
    if pending:
        pieces[-1][1] = last
    pieces[0][0] = first
    if _is_short(text[slice(*pieces[0])]):
        pieces[1][0] = pieces[0][0]
        del pieces[0]
    return [_trimmed(text, start, end) for start, end in pieces]


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    first, last = _bounds(text[start:end])
    return start + first, start + last


def _bounds(text: str) -> tuple[int, int]:
    first = len(text) - len(text.lstrip())
    return first, max(first, len(text.rstrip()))


def _sentences(text: str) -> Iterator[tuple[int, int]]:
    """Where the sentences of a text stand, cut also where a second question begins."""
    patterns, start = _patterns(), 0
    cuts = sorted({m.end() for m in patterns.ends.finditer(text)} | {m.start() for m in patterns.joins.finditer(text)})
    for cut in [*cuts, len(text)]:
        if text[start:cut].strip():
            yield start, cut
            start = cut


def _asks(sentence: str) -> bool:
    parts = [part.strip(_AROUND) for part in _PARTS.split(sentence)]
    if all(_patterns().courtesy.fullmatch(part) for part in parts if part):
        return False
    return sentence.rstrip('"”’)） \n').endswith(_QUESTION) or bool(_patterns().asks.search(sentence))


def _is_short(piece: str) -> bool:
    least, han = _patterns().least, len(_HAN.findall(piece))
    return han < least.han and sum(c.isalpha() for c in piece) - han < least.letters
