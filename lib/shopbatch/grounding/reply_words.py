"""Normalises the words of replies and facts so that they can be compared; synonyms become one word (replies.*.yaml).

A content word is a word that carries meaning, as opposed to the words under `empty` in these files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from shopbatch.grounding.lexicon import stem, words_of
from shopbatch.text.letters import LATIN
from shopbatch.text.word_files import WordFile, read_words

_HAN = re.compile(r"[\u3400-\u9fff]+")
_LATIN = re.compile(f"[{LATIN}][{LATIN}'’-]*")


class Units(WordFile):
    """One unit of measure of replies.*.yaml: its names, its kind and its relation to a smaller unit.

    The head of the files explains the fields.
    """

    names: str
    kind: str
    of: str = ""
    factor: float = 1.0
    before: str = ""


class _File(WordFile):
    """The content of replies.en.yaml or replies.zh.yaml; the head of the files explains the fields."""

    same: tuple[str, ...]
    empty: str
    units: dict[str, Units]
    numbers_of: str
    halves: str
    noon: str
    afternoon: str
    trivial: str
    supposes: str
    supposes_behind: str
    counted: str
    exclusive: str
    months: tuple[str, ...] = ()
    joins: str
    weak_joins: str
    begun: str
    then: str
    marks: str
    declines: str
    feelings: str
    asks_for: str
    dues: str
    granted_free: str
    late: str
    each: str
    negates: str
    permits: str
    compares: str
    conditions: dict[str, str]
    quoted: str
    asks: str
    limits: str
    only: str
    binds: str
    binds_amounts: str
    affirms: str
    patterns: dict[str, tuple[str, ...]]
    subjunctive: str
    names: str
    known_names: str
    anaphora: str
    order_words: str
    past: str
    orders: str
    small: str
    courtesy: str


@dataclass(frozen=True)
class Words:
    """The compiled word lists of one language for the checks of replies.

    Attributes:
        language: "en" or "zh".
        file: The content of the file.
        same: Phrase -> the word that replaces it and all its synonyms.
        longest: Length of the longest key of `same`, in words (English) or characters (Chinese).
        empty: Words without meaning of their own.
        patterns: Compiled patterns by name.
        courtesy: Content words of polite phrases, which claim nothing.
    """

    language: str
    file: _File
    same: Mapping[str, str]
    longest: int
    empty: frozenset[str]
    patterns: Mapping[str, re.Pattern[str]]
    courtesy: frozenset[str]

    def tokens(self, text: str) -> list[tuple[str, int]]:
        """Return the content words of a text in order, each as (word, position); synonyms are replaced by one word.

        English words are stems; Chinese words that are not listed become pairs of neighbouring characters.
        """
        return self._chinese(text) if self.language == "zh" else self._english(text)

    def telling(self, text: str) -> frozenset[str]:
        """Return the set of content words of a text."""
        return frozenset(word for word, _ in self.tokens(text))

    def _english(self, text: str) -> list[tuple[str, int]]:
        stems = [(stem(m[0]), m.start()) for m in words_of(text) if not m[0][0].isdigit()]
        out, place = [], 0
        while place < len(stems):
            for length in range(min(self.longest, len(stems) - place), 0, -1):
                phrase = " ".join(word for word, _ in stems[place : place + length])
                if phrase in self.same:
                    out.append((self.same[phrase], stems[place][1]))
                    break
            else:
                length = 1
                if stems[place][0] not in self.empty:
                    out.append(stems[place])
            place += length
        return [(word, start) for word, start in out if word not in self.empty]

    def _chinese(self, text: str) -> list[tuple[str, int]]:
        out = [(stem(m[0]), m.start()) for m in _LATIN.finditer(text)]
        for run in _HAN.finditer(text):
            place, last = run.start(), run.end()
            begin = place
            while place < last:
                for length in range(min(self.longest, last - place), 0, -1):
                    word = text[place : place + length]
                    if word in self.same or word in self.empty:
                        out += self._pairs(text, begin, place)
                        if word in self.same:
                            out.append((self.same[word], place))
                        place += length
                        begin = place
                        break
                else:
                    place += 1
            out += self._pairs(text, begin, last)
        return sorted(out, key=lambda token: token[1])

    @staticmethod
    def _pairs(text: str, start: int, end: int) -> Iterable[tuple[str, int]]:
        """Return the pairs of neighbouring characters in [start, end), each with its position.

        A single character is returned alone.
        """
        if end - start == 1:
            return [(text[start], start)]
        return [(text[i : i + 2], i) for i in range(start, end - 1)]


@lru_cache(maxsize=2)
def words(language: str) -> Words:
    """Return the word lists of a language: "zh", or any other as English."""
    code = "zh" if language == "zh" else "en"
    file = read_words(_File, "shopbatch.grounding", f"replies.{code}.yaml")
    same: dict[str, str] = {}
    for group in file.same:
        names = [name.strip() for name in group.split(",")]
        keys = names if code == "zh" else [" ".join(stem(m[0]) for m in words_of(name)) for name in names]
        same |= dict.fromkeys(keys, f"={names[0]}")
    empty = file.empty.split()
    patterns = {name: re.compile("|".join(f"(?:{p})" for p in each), re.I) for name, each in file.patterns.items()}
    length = max(len(key) if code == "zh" else key.count(" ") + 1 for key in same)
    if code == "zh":
        length = max(length, *(len(word) for word in empty))
    stems = frozenset(empty) if code == "zh" else frozenset(map(stem, empty))
    made = Words(code, file, same, length, stems, patterns, frozenset())
    return replace(made, courtesy=made.telling(file.courtesy))
