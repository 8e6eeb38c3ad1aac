"""Splits a text into sentences with their positions: English, Chinese, and Markdown with lists and wrapped lines."""

from __future__ import annotations

import re
from functools import lru_cache

# A full stop ends a sentence if a blank follows, but not behind an abbreviation, nor inside 4.90.
_STOP = r"(?<!\be\.g)(?<!\bi\.e)(?<!\bMr)(?<!\bMrs)(?<!\bMs)(?<!\bDr)(?<!\betc)(?<!\bNo)(?<!\bno)\.[\"”’)]*(?=\s|$)"
_END = re.compile(rf"[。！？!?]+[\"”’」』)）]*|{_STOP}|\n+|\Z")
_ITEM = re.compile(r"\s*(?:[-*•]|\d{1,2}[.)])\s|\s*\n|\s*#")
_WRAPPED = 50  # least length of a line that the next line may continue, in characters


@lru_cache(maxsize=16_384)
def sentences(text: str) -> tuple[tuple[int, int], ...]:
    """Return (start, end) of each sentence of a text in order, in characters, without surrounding blanks.

    A line break ends a sentence, except behind a long line (at least 50 characters): there the sentence continues on
    the next line, unless that is empty, a list item or a heading.
    """
    places, start = [], 0
    for end in _END.finditer(text):
        if end[0] == "\n" and _is_wrapped(text, end.start()):
            continue
        piece = text[start : end.end()]
        if piece.strip():
            first = start + len(piece) - len(piece.lstrip())
            places.append((first, first + len(piece.strip())))
        start = end.end()
    return tuple(places)


def _is_wrapped(text: str, place: int) -> bool:
    """Return True if the sentence continues behind the line break at position `place`, which only wraps a long line."""
    line = text[text.rfind("\n", 0, place) + 1 : place]
    return len(line) >= _WRAPPED and not _ITEM.match(text, place + 1)


def sentence_at(text: str, place: int) -> tuple[int, int]:
    """Return (start, end) of the sentence that contains a position; (0, length) if no sentence contains it."""
    return next(((start, end) for start, end in sentences(text) if start <= place < end), (0, len(text)))
