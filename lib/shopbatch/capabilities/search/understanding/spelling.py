"""Corrects an unknown word of a query if exactly one similar word is in the catalogue or in the rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from shopbatch.capabilities.search.understanding.vocabulary import HAN, WORD, Vocabulary
from shopbatch.capabilities.search.understanding.words import is_english, query_words

_SHORTEST, _LONG = 4, 8  # least letters of a word to be corrected, and to be allowed two mistakes
_ORDINARY = 5  # least letters to correct other mistakes than two swapped letters
_ENDINGS = ("y", "ish", "er", "en", "ed", "ing", "like", "ly", "ness")  # suffixes: "silky" is no misspelt "silk"
_LONGEST = 6  # most characters of a Chinese name that is searched for
_WHOLE = 3  # least characters of a Chinese name to be found with one wrong character


class Speller:
    """Finds the known word for a misspelt one, which lacks a letter, has one too many or wrong, or two swapped."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        """Index the words that a misspelt word may be corrected to: those of the rules and of the catalogue.

        Words of brands are indexed, too: a word that resembles one is left as it is, since it may be the brand.

        Args:
            vocabulary: The words that are known.
        """
        self.weights: dict[str, int] = {}
        self.known = set(vocabulary.known)
        for key, entry in vocabulary.entries.items():
            if HAN.search(key):
                continue
            self.known.update(key.split())
            if entry.values or entry.late:
                for word in key.split():
                    self.weights[word] = self.weights.get(word, 0) + 1
        for word, number in vocabulary.words.items():
            self.weights[word] = self.weights.get(word, 0) + number
        self.brands = vocabulary.brand_words
        self.near: dict[str, list[str]] = {}
        self.long: dict[str, list[str]] = {}
        for word in [*self.weights, *(self.brands - self.weights.keys())]:
            if len(word) >= _SHORTEST and word.isalpha() and word.isascii():
                for form in {word, *_shorter(word)}:
                    self.near.setdefault(form, []).append(word)
                if len(word) >= _LONG - 1:
                    self.long.setdefault(word[0], []).append(word)

    def correct(self, word: str) -> str | None:
        """Return the correct spelling of a word.

        Returns:
            None if the word is known, or if no known word, or more than one, is similar.
        """
        if len(word) < _SHORTEST or not (word.isalpha() and word.isascii()):
            return None
        if word in self.weights or word in self.known or word in self.brands or is_english(word):
            return None
        near = {w for form in {word, *_shorter(word)} for w in self.near.get(form, ()) if distance(word, w) == 1}
        if not self.brands & near:
            near = {w for w in near if min(len(w), len(word)) >= _ORDINARY or sorted(w) == sorted(word)}
        if not near and len(word) >= _LONG:
            ends = (w for w in self.long.get(word[0], ()) if w[-1] == word[-1] and abs(len(w) - len(word)) <= 2)
            near = {w for w in ends if distance(word, w) == 2}
        if near & self.brands or any(word == w.removesuffix("s") + ending for w in near for ending in _ENDINGS):
            return None
        # singular and plural count as one candidate
        stems = {w.removesuffix("s") for w in near}
        return min(near, key=lambda w: (abs(len(w) - len(word)), -self.weights[w], w)) if len(stems) == 1 else None


@dataclass(frozen=True)
class Corrected:
    """A query with corrected spelling.

    Attributes:
        text: The corrected query.
        corrections: Each word that was changed, with its corrected form.
        shifts: (place in `text`, offset to add to get the place in the original query), ascending.
    """

    text: str
    corrections: tuple[tuple[str, str], ...] = ()
    shifts: tuple[tuple[int, int], ...] = ()

    def place(self, at: int) -> int:
        """Return the place in the original query that corresponds to the place `at` in the corrected text."""
        return at + next((shift for start, shift in reversed(self.shifts) if at >= start), 0)


def correct(text: str, vocabulary: Vocabulary) -> Corrected:
    """Correct the spelling of a query; Chinese characters that sound alike are corrected, too.

    Args:
        text: The query in small letters.
        vocabulary: The words that are known.
    """
    speller = _speller(vocabulary)
    text, corrections = _with_right_characters(text, vocabulary)
    out, at, shift = [], 0, 0
    shifts: list[tuple[int, int]] = []
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
    """Return the speller of a vocabulary; it is made once per vocabulary."""
    return Speller(vocabulary)


def _shorter(word: str) -> Iterator[str]:
    for at in range(len(word)):
        yield word[:at] + word[at + 1 :]


def distance(a: str, b: str) -> int:
    """Return the number of edits between two words (OSA distance).

    An edit replaces, inserts or deletes a letter, or swaps two neighbouring letters.
    """
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        older, before, row = before, row, [i]
        for j, y in enumerate(b, 1):
            best = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                best = min(best, older[j - 2] + 1)
            row.append(best)
    return row[-1]


def _with_right_characters(text: str, vocabulary: Vocabulary) -> tuple[str, list[tuple[str, str]]]:
    """Replace Chinese characters that were typed for others of the same sound, if that makes a name of the vocabulary.

    Returns:
        The corrected text, and each changed name with its corrected form.
    """
    corrections = []
    for at, character in enumerate(text):
        for right in _sounding().get(character, ()):
            fixed = text[:at] + right + text[at + 1 :]
            span = _name_around(fixed, at, vocabulary)
            if span and not _name_around(text, at, vocabulary, shortest=2):
                corrections.append((text[slice(*span)], fixed[slice(*span)]))
                text = fixed
                break
    return text, corrections


def _name_around(text: str, at: int, vocabulary: Vocabulary, shortest: int = _WHOLE) -> tuple[int, int] | None:
    """Return begin and end of the longest name of the vocabulary that covers the place `at`; None if there is none."""
    for length in range(_LONGEST, shortest - 1, -1):
        for start in range(max(0, at - length + 1), min(at, len(text) - length) + 1):
            entry = vocabulary.entries.get(text[start : start + length])
            if entry is not None and (shortest < _WHOLE or entry.values or "exclude" in entry.roles):
                return start, start + length
    return None


@lru_cache(maxsize=1)
def _sounding() -> dict[str, str]:
    """Return the right characters for each character that is typed by mistake for one of the same sound."""
    out: dict[str, str] = {}
    for words in query_words():
        for right, wrong in words.homophones.items():
            for character in wrong:
                out[character] = out.get(character, "") + right
    return out
