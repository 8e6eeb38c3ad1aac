"""Splits a ticket into its questions, with their positions in the text. The words are in `questions.yaml`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from shopbatch.text.word_files import WordFile, read_words

VERSION = 1  # of the splitting rules, questions.yaml included; a part of the recipe
_HAN = re.compile(r"[\u3400-\u9fff]")
_QUESTION = ("?", "？")
_PARTS = re.compile(r"[,，:：]")
_AROUND = " \t\n.,;:!?。，；：！？…~～"


class _Least(WordFile):
    """Minimum lengths of a question.

    A piece of text that reaches neither of the two minimums belongs to the question before it.

    Attributes:
        letters: Minimum number of letters in a language with Latin (or similar) letters.
        han: Minimum number of Chinese characters.
    """

    letters: int
    han: int


class _Words(WordFile):
    """The content of `questions.yaml`: patterns, by language where they differ.

    Attributes:
        ends: Patterns of the ends of sentences.
        asks: Patterns of sentences that ask without a question mark.
        courtesy: Patterns of whole sentences that look like questions but ask nothing.
        joins: Patterns of words at which a second question begins inside a sentence.
        least: Minimum lengths of a question.
    """

    ends: tuple[str, ...]
    asks: dict[str, str]
    courtesy: dict[str, str]
    joins: dict[str, str]
    least: _Least


@dataclass(frozen=True)
class _Patterns:
    """The compiled content of `questions.yaml` (see `_Words`)."""

    ends: re.Pattern[str]
    asks: re.Pattern[str]
    courtesy: re.Pattern[str]
    joins: re.Pattern[str]
    least: _Least


@lru_cache(maxsize=1)
def _patterns() -> _Patterns:
    """Return the compiled patterns of `questions.yaml`, which is read once per process."""
    words = read_words(_Words, "shopbatch.capabilities.support.answers", "questions.yaml")

    def any_of(patterns: dict[str, str]) -> re.Pattern[str]:
        return re.compile("|".join(f"(?:{pattern})" for pattern in patterns.values()), re.I)

    ends = re.compile("|".join(words.ends))
    return _Patterns(ends, any_of(words.asks), any_of(words.courtesy), any_of(words.joins), words.least)


def questions(text: str) -> list[tuple[int, int]]:
    """Split a ticket into its questions.

    Sentences before a question belong to it; sentences after the last question belong to that one. A piece that is too
    short to be understood alone belongs to the question before it.

    Args:
        text: The ticket's text.

    Returns:
        (start, end) of each question in characters, in order; `end` is exclusive. A ticket with one question or none
        gives one span, that of the whole text without white space at its ends.
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
    """Return (start, end) without white space at the edges."""
    first, last = _bounds(text[start:end])
    return start + first, start + last


def _bounds(text: str) -> tuple[int, int]:
    """Return (start, end) of a text without the white space at its ends, in characters."""
    first = len(text) - len(text.lstrip())
    return first, max(first, len(text.rstrip()))


def _sentences(text: str) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of each sentence; a sentence is also cut where a second question begins inside it."""
    patterns, start = _patterns(), 0
    cuts = sorted({m.end() for m in patterns.ends.finditer(text)} | {m.start() for m in patterns.joins.finditer(text)})
    for cut in [*cuts, len(text)]:
        if text[start:cut].strip():
            yield start, cut
            start = cut


def _asks(sentence: str) -> bool:
    """Return True if a sentence asks something: by its question mark or its words, and not as a mere courtesy."""
    parts = [part.strip(_AROUND) for part in _PARTS.split(sentence)]
    if all(_patterns().courtesy.fullmatch(part) for part in parts if part):
        return False
    return sentence.rstrip('"”’)） \n').endswith(_QUESTION) or bool(_patterns().asks.search(sentence))


def _is_short(piece: str) -> bool:
    """Return True if a piece is too short to be a question by itself."""
    least, han = _patterns().least, len(_HAN.findall(piece))
    return han < least.han and sum(c.isalpha() for c in piece) - han < least.letters
