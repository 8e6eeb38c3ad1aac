"""The sentences of a text, with their places: English, Chinese, and Markdown with its lists and wrapped lines."""

from __future__ import annotations

import re
from functools import lru_cache

# A full stop ends a sentence if a blank follows, but not behind an abbreviation, nor inside 4.90.
_STOP = r"(?<!\be\.g)(?<!\bi\.e)(?<!\bMr)(?<!\bMrs)(?<!\bMs)(?<!\bDr)(?<!\betc)(?<!\bNo)(?<!\bno)\.[\"”’)]*(?=\s|$)"
_END = re.compile(rf"[。！？!?]+[\"”’」』)）]*|{_STOP}|\n+|\Z")
_ITEM = re.compile(r"\s*(?:[-*•]|\d{1,2}[.)])\s|\s*\n|\s*#")
_WRAPPED = 50  # characters of a line from which it may be continued by the next one


@lru_cache(maxsize=16_384)
def sentences(text: str) -> tuple[tuple[int, int], ...]:
    """Return where the sentences of a text stand, in characters, in order, without the blanks around them.

    The end of a long line ends no sentence, unless an empty line, an item of a list or a heading follows.
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
    line = text[text.rfind("\n", 0, place) + 1 : place]
    return len(line) >= _WRAPPED and not _ITEM.match(text, place + 1)


def sentence_at(text: str, place: int) -> tuple[int, int]:
    """Return where the sentence around a place begins and ends; the whole text if none is there."""
    return next(((start, end) for start, end in sentences(text) if start <= place < end), (0, len(text)))
