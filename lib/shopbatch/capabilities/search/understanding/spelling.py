"""Corrects a word that nobody knows to the one word of the catalogue or of the rules that is one letter away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from shopbatch.capabilities.search.understanding.vocabulary import HAN, WORD, Vocabulary
from shopbatch.capabilities.search.understanding.words import is_english

_SHORTEST = 5  # letters of a word that is corrected; "wool" and "pool" are one letter apart


class Speller:
    """Finds words by their spelling with one letter too few, too many, wrong, or two letters swapped."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        """Index the words of the rules and of the catalogue, but not those of brands."""
        self.weights: dict[str, int] = {}
        for key, entry in vocabulary.entries.items():
            if not HAN.search(key) and (entry.values or entry.late):
                for word in key.split():
                    self.weights[word] = self.weights.get(word, 0) + 1
        for word, number in vocabulary.words.items():
            self.weights[word] = self.weights.get(word, 0) + number
        self.brands = vocabulary.brand_words
        self.near: dict[str, list[str]] = {}
        for word in [*self.weights, *(self.brands - self.weights.keys())]:
            if len(word) >= _SHORTEST and word.isalpha() and word.isascii():
                for form in {word, *_shorter(word)}:
                    self.near.setdefault(form, []).append(word)

    def correct(self, word: str) -> str | None:
        """Return the word that was meant, None if the word is known, or nothing or more than one is near."""
        if len(word) < _SHORTEST or not (word.isalpha() and word.isascii()):
            return None
        if word in self.weights or word in self.brands or is_english(word):
            return None
        near = {w for form in {word, *_shorter(word)} for w in self.near.get(form, ()) if _one_apart(word, w)}
        if near & self.brands:
            return None
        # a singular and its plural are one candidate
        stems = {w.removesuffix("s") for w in near}
        return min(near, key=lambda w: (abs(len(w) - len(word)), -self.weights[w], w)) if len(stems) == 1 else None


@dataclass(frozen=True)
class Corrected:
    """A query with corrected words.

    Attributes:
        text: The query as it is read.
        corrections: Each word that was changed, and what it became.
        shifts: (place in `text`, what to add to come to the place in the query), rising.
    """

    text: str
    corrections: tuple[tuple[str, str], ...] = ()
    shifts: tuple[tuple[int, int], ...] = ()

    def place(self, at: int) -> int:
        """Return the place in the query as it was written."""
        return at + next((shift for start, shift in reversed(self.shifts) if at >= start), 0)


def correct(text: str, vocabulary: Vocabulary) -> Corrected:
    """Correct the words of a query in small letters."""
    speller = _speller(vocabulary)
    out, at, shift = [], 0, 0
    corrections, shifts = [], []
    for m in WORD.finditer(text):
        if (better := speller.correct(m.group())) is not None:
            out += [text[at : m.start()], better]
            at = m.end()
            shift += len(m.group()) - len(better)
            corrections.append((m.group(), better))
            shifts.append((m.end() - shift, shift))
    return Corrected("".join([*out, text[at:]]), tuple(corrections), tuple(shifts))


@lru_cache(maxsize=2)
def _speller(vocabulary: Vocabulary) -> Speller:
    """The speller of a vocabulary, made once."""
    return Speller(vocabulary)


def _shorter(word: str) -> Iterator[str]:
    for at in range(len(word)):
        yield word[:at] + word[at + 1 :]


def _one_apart(a: str, b: str) -> bool:
    """Whether one letter was changed, left out, added, or swapped with its neighbour."""
    if len(a) > len(b):
        a, b = b, a
    first = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), len(a))
    if len(a) == len(b):
        swapped = a[first : first + 2] == b[first : first + 2][::-1] and a[first + 2 :] == b[first + 2 :]
        return swapped or a[first + 1 :] == b[first + 1 :]
    return len(b) - len(a) == 1 and a[first:] == b[first + 1 :]
