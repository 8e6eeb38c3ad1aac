"""Splits a query into tokens: names of the vocabulary (longest match first), numbers, and the words between."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from shopbatch.capabilities.search.understanding.numbers import Measure
from shopbatch.capabilities.search.understanding.vocabulary import HAN, WORD, Entry, Vocabulary

_JOINS, _BLANKS = frozenset(" -/&'."), frozenset(" -/")
NOTHING = Entry()
_NOUNS = frozenset(("names", "parts", "substances"))


@dataclass(frozen=True)
class Token:
    """A piece of a query: a known name, an unknown word, a number, or a punctuation mark.

    Attributes:
        start: Where the token begins in the query.
        end: Where it ends.
        text: Its text in small letters, with corrected spelling.
        entry: The meanings of the token in the vocabulary; `NOTHING` if it is unknown.
        measure: The number, price or size that it states; None for other tokens.
        sign: The character, for punctuation; "" for other tokens.
    """

    start: int
    end: int
    text: str
    entry: Entry = NOTHING
    measure: Measure | None = None
    sign: str = ""

    @property
    def is_word(self) -> bool:
        """True if the token may be part of a feature's name: it is neither a value nor a word of the rules."""
        if self.measure is not None or self.sign:
            return False
        return self.entry is NOTHING or (self.entry.roles <= _NOUNS and not self.entry.values)

    def has(self, role: str) -> bool:
        """Return True if the token has a role in the rules, such as "exclude" (see `vocabulary.ROLES`)."""
        return role in self.entry.roles

    @property
    def type(self) -> str | None:
        """Canonical name of the type of product that the token names; None if it names none."""
        return self.entry.type


def tokens(text: str, measures: Sequence[Measure], vocabulary: Vocabulary) -> list[Token]:
    """Split a query into tokens; spaces are dropped.

    Args:
        text: The query in small letters (see `fold`).
        measures: The numbers in it, in order and without overlaps; each becomes one token.
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


@dataclass(frozen=True)
class _Piece:
    """A stretch of a query without numbers, with its Latin words.

    Attributes:
        text: The whole query.
        end: Where the stretch ends.
        words: Begin and end of each Latin word.
        at_start: Place in the query -> number (in `words`) of the Latin word that begins there.
    """

    text: str
    end: int
    words: Sequence[tuple[int, int]]
    at_start: dict[int, int]

    @classmethod
    def of(cls, text: str, at: int, end: int) -> _Piece:
        words = [m.span() for m in WORD.finditer(text, at, end)]
        return cls(text, end, words, {start: number for number, (start, _) in enumerate(words)})


def _names(text: str, at: int, end: int, vocabulary: Vocabulary) -> Iterator[Token]:
    """Yield the tokens of `text[at:end]`, which has no numbers: known names, unknown words, and punctuation."""
    piece = _Piece.of(text, at, end)
    unknown = at  # where the present run of unknown Chinese characters began
    while at < end:
        named = _longest_name(piece, at, vocabulary)
        if named is None and HAN.match(text[at]):
            at += 1
            continue
        if unknown < at:
            yield Token(unknown, at, text[unknown:at])
        if named is not None:
            stop, entry = named
            yield Token(at, stop, text[at:stop], entry)
            at = stop
        elif at in piece.at_start:
            stop = piece.words[piece.at_start[at]][1]
            yield Token(at, stop, text[at:stop])
            at = stop
        else:
            if not text[at].isspace():
                yield Token(at, at + 1, text[at], sign=text[at])
            at += 1
        unknown = at
    if unknown < at:
        yield Token(unknown, at, text[unknown:at])


def _longest_name(piece: _Piece, at: int, vocabulary: Vocabulary) -> tuple[int, Entry] | None:
    best = _latin_name(piece, at, vocabulary) if at in piece.at_start else None
    text, entries = piece.text, vocabulary.entries
    for stop in range(min(at + vocabulary.longest_han.get(text[at], 0), piece.end), at, -1):
        if best is not None and stop <= best[0]:
            break
        entry = entries.get(text[at:stop])
        if entry is not None and HAN.search(text, at, stop) and not _inside_word(piece, stop):
            return stop, entry
    return best


def _latin_name(piece: _Piece, at: int, vocabulary: Vocabulary) -> tuple[int, Entry] | None:
    """Return the longest name in Latin letters that begins with the word at a place, as end and entry; else None."""
    text, first = piece.text, piece.at_start[at]
    word = text[at : piece.words[first][1]]
    most = vocabulary.longest_words.get(word) or vocabulary.longest_words.get(_without_owner(word))
    if not most:
        return None
    best: tuple[int, Entry] | None = None
    key = ""
    for number in range(first, min(first + most, len(piece.words))):
        start, stop = piece.words[number]
        if number > first:
            gap = text[piece.words[number - 1][1] : start]
            if len(gap) > 3 or not set(gap) <= _JOINS:
                break
            key += " " if set(gap) <= _BLANKS else f" {gap.strip()} "
        key += text[start:stop]
        entry = vocabulary.entries.get(key) or vocabulary.entries.get(_without_owner(key))
        if entry is not None:
            best = stop, entry
    return best


def _inside_word(piece: _Piece, at: int) -> bool:
    """Return True if a place is in the middle of a Latin word."""
    text = piece.text
    if at in piece.at_start or at >= len(text):
        return False
    return not HAN.match(text[at]) and text[at].isalnum() and text[at - 1].isalnum() and not HAN.match(text[at - 1])


def _without_owner(key: str) -> str:
    """Return a key without its possessive ending: men's -> men, ladies' -> ladies."""
    return key.removesuffix("'s").removesuffix("'")
