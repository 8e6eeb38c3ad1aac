"""The sentences of a text, with their places: English, Chinese, and lists of Markdown."""

from __future__ import annotations

import re

# A full stop ends a sentence if a blank follows, but not behind an abbreviation, nor inside 4.90.
_STOP = r"(?<!\be\.g)(?<!\bi\.e)(?<!\betc)(?<!\bNo)(?<!\bno)\.[\"”’)]*(?=\s|$)"
_END = re.compile(rf"[。！？!?]+[\"”’」』)）]*|{_STOP}|\n+|\Z")


def sentences(text: str) -> list[tuple[int, int]]:
    """Return where the sentences of a text stand, in characters, in order, without the blanks around them."""
    places, start = [], 0
    for end in _END.finditer(text):
        piece = text[start : end.end()]
        if piece.strip():
            first = start + len(piece) - len(piece.lstrip())
            places.append((first, first + len(piece.strip())))
        start = end.end()
    return places


def sentence_at(text: str, place: int) -> tuple[int, int]:
    """Return where the sentence around a place begins and ends; the whole text if none is there."""
    return next(((start, end) for start, end in sentences(text) if start <= place < end), (0, len(text)))
