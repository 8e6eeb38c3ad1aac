"""Cuts a review's text into passages for the model: its sentences, with disguised words spelled out.

Sentences are judged one by one, because a single sentence of a review may be a threat while all others are about the
product. A very short sentence is joined to its neighbour. A short text is also judged as a whole, because a threat may
take two sentences.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

from shopbatch.grounding.sentences import sentences
from shopbatch.text.moderation.closing import close
from shopbatch.text.moderation.folding import Folded, fold

VERSION = 1  # of the way a text is cut; a change makes all reviews be computed again
_LEAST, _MOST, _WHOLE = 24, 200, 240  # least and greatest passage; greatest text also judged as a whole
_MOST_PASSAGES = 200  # limit per text, so that 100,000 characters of noise cost no more than a long review
_PAUSE = re.compile(r"[,;:，；：、\s]+")
_HAN = re.compile(r"[\u3400-\u9fff]")


@dataclass(frozen=True)
class Passage:
    """A part of a text that the model judges.

    Attributes:
        text: The part as the model reads it (folded, disguises undone).
        start: Its first character in the original text.
        end: The position after its last character in the original text.
    """

    text: str
    start: int
    end: int


def passages(text: str) -> list[Passage]:
    """Cut a text of any length into at most 200 passages; [] if it holds no word.

    If a short text has several passages, one more follows them: the whole text.
    """
    return [Passage(reading.text[a:b], *reading.span(a, b)) for reading in [read(text)] for a, b in _places(reading)]


def read(text: str) -> Folded:
    """Return a text as the model reads it: folded (lower case, uniform characters), disguised words spelled out."""
    return close(fold(text)[0])


def _places(reading: Folded) -> list[tuple[int, int]]:
    """Return the (start, end) positions of the passages in a folded text."""
    text = reading.text
    pieces = [piece for start, end in sentences(text) for piece in _cut(text, start, end)]
    merged = list(_merged(text, pieces))[:_MOST_PASSAGES]
    if len(merged) > 1 and size(text) <= _WHOLE:
        merged.append((merged[0][0], merged[-1][1]))
    return merged


def size(text: str) -> int:
    """Return the length of a text in Latin letters; a Chinese character counts as three."""
    return len(text) + 2 * len(_HAN.findall(text))


def _merged(text: str, pieces: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Join a very short piece to the piece before it, and a very short first piece to the one after it."""
    done: list[tuple[int, int]] = []
    for start, end in pieces:
        previous = done[-1] if done else None
        short = min((size(text[a:b]) for a, b in ((start, end), *done[-1:])), default=0) < _LEAST
        if previous is not None and short and size(text[previous[0] : end]) <= _MOST:
            done[-1] = (previous[0], end)
        else:
            done.append((start, end))
    return iter(done)


def _cut(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Cut a long sentence at commas and blanks into pieces of about 200 letters; yield their (start, end) positions."""
    if size(text[start:end]) <= _MOST:
        yield start, end
        return
    stops = [match.end() for match in _PAUSE.finditer(text, start, end)]
    first, last = start, start
    for stop in itertools.chain(stops, [end]):
        if last > first and size(text[first:stop]) > _MOST:
            yield first, last
            first = last
        last = stop
        while (length := size(text[first:last])) > 2 * _MOST:  # there is no comma or blank to cut at
            step = max(1, _MOST * (last - first) // length)
            yield first, first + step
            first += step
    if last > first:
        yield first, last
