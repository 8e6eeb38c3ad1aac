"""Cuts a query into tokens: names of the vocabulary, the longest first, and the words between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from shopbatch.capabilities.search.understanding.numbers import Measure
from shopbatch.capabilities.search.understanding.vocabulary import HAN, WORD, Entry, Vocabulary, key_of

_MOST_WORDS = 6
NOTHING = Entry()
_NOUNS = frozenset(("names", "parts", "substances"))


@dataclass(frozen=True)
class Token:
    """A piece of a query.

    Attributes:
        start: Where it begins.
        end: Where it ends.
        text: It as written (a corrected word: as corrected), in small letters.
        entry: What the vocabulary knows of it.
        measure: The number, price or size that it is.
        sign: Punctuation: one character, else "".
    """

    start: int
    end: int
    text: str
    entry: Entry = NOTHING
    measure: Measure | None = None
    sign: str = ""

    @property
    def is_word(self) -> bool:
        """Whether it may be part of a feature's name: neither a value nor a word of the rules."""
        if self.measure is not None or self.sign:
            return False
        return self.entry is NOTHING or (self.entry.roles <= _NOUNS and not self.entry.values)

    def has(self, role: str) -> bool:
        """Whether it has a role in the rules."""
        return role in self.entry.roles

    @property
    def type(self) -> str | None:
        """The type of product that it names."""
        return self.entry.type


def tokens(text: str, measures: Sequence[Measure], vocabulary: Vocabulary) -> list[Token]:
    """Cut a query.

    Args:
        text: The query in small letters (`fold`).
        measures: What is a number, in order, none inside another.
        vocabulary: The names that are known.
    """
    return list(_cut(text, measures, vocabulary))


def _cut(text: str, measures: Sequence[Measure], vocabulary: Vocabulary) -> Iterator[Token]:
    at = 0
    for measure in measures:
        yield from _names(text, at, measure.start, vocabulary)
        yield Token(measure.start, measure.end, text[measure.start : measure.end], measure=measure)
        at = measure.end
    yield from _names(text, at, len(text), vocabulary)


def _names(text: str, at: int, end: int, vocabulary: Vocabulary) -> Iterator[Token]:
    """The tokens of a piece without numbers."""
    words = {m.start(): m.end() for m in WORD.finditer(text, at, end)}
    starts = sorted(words)
    unknown = at  # where a run of unknown Chinese characters began
    while at < end:
        named = _longest_name(text, at, end, words, starts, vocabulary)
        is_han = bool(HAN.match(text[at]))
        if named is None and is_han:
            at += 1
            continue
        if unknown < at:
            yield Token(unknown, at, text[unknown:at])
        if named is not None:
            stop, entry = named
            yield Token(at, stop, text[at:stop], entry)
            at = stop
        elif at in words:
            yield Token(at, words[at], text[at : words[at]])
            at = words[at]
        else:
            if not text[at].isspace():
                yield Token(at, at + 1, text[at], sign=text[at])
            at += 1
        unknown = at
    if unknown < at:
        yield Token(unknown, at, text[unknown:at])


def _longest_name(
    text: str, at: int, end: int, words: dict[int, int], starts: list[int], vocabulary: Vocabulary
) -> tuple[int, Entry] | None:
    entries = vocabulary.entries
    best: tuple[int, Entry] | None = None
    if at in words:
        first = starts.index(at)
        for last in range(min(first + _MOST_WORDS, len(starts)) - 1, first - 1, -1):
            stop = words[starts[last]]
            gaps = (text[words[a] : b] for a, b in zip(starts[first:last], starts[first + 1 : last + 1], strict=True))
            if not all(set(gap) <= set(" -/&'.") and len(gap) <= 3 for gap in gaps):
                continue
            entry = entries.get(key_of(text[at:stop])) or entries.get(_without_owner(key_of(text[at:stop])))
            if entry is not None:
                best = stop, entry
                break
    elif at and at - 1 in range(at) and _inside_word(text, at, words):
        return None
    for stop in range(min(at + vocabulary.longest, end), at, -1):
        if best is not None and stop <= best[0]:
            break
        piece = text[at:stop]
        if HAN.search(piece) and not _inside_word(text, stop, words) and (entry := entries.get(piece)) is not None:
            return stop, entry
    return best


def _inside_word(text: str, at: int, words: dict[int, int]) -> bool:
    """Whether a place is inside a Latin word."""
    if at in words or at >= len(text):
        return False
    return not HAN.match(text[at]) and text[at].isalnum() and text[at - 1].isalnum() and not HAN.match(text[at - 1])


def _without_owner(key: str) -> str:
    """A key without the 's or ' of an owner: men's, ladies'."""
    return key.removesuffix("'s").removesuffix("'")
