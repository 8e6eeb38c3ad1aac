"""What the facts of a reply say, statement by statement: words, numbers, conditions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import log

from shopbatch.grounding.reply_numbers import Stated, numbers
from shopbatch.grounding.reply_words import Words, words
from shopbatch.grounding.sentences import sentences

_NEAR, _FAR = 1.0, 0.25  # weight of a word in the number's own statement, and elsewhere in its sentence
_BEGUN = 0.25  # share of the weight of words that say with what a span of time begins: after the return has reached us


@dataclass(frozen=True)
class Passage:
    """A text that backs replies. id: its name in claims."""

    id: str
    text: str


@dataclass(frozen=True)
class Sentence:
    """A sentence of a passage or a reply.

    Attributes:
        passage: Id of the passage; "" for a reply.
        text: The sentence.
        start: Where it begins in the passage or reply.
        language: Whose words it is read with.
    """

    passage: str
    text: str
    start: int
    language: str

    @cached_property
    def words(self) -> frozenset[str]:
        """Its telling words."""
        return words(self.language).telling(self.text)

    @cached_property
    def numbers(self) -> list[Stated]:
        """Its numbers; places are those in the sentence."""
        return numbers(self.text, self.language)

    @cached_property
    def statements(self) -> list[tuple[int, int]]:
        """Where its statements stand: it is cut between numbers, at the last strong join, or the last weak one."""
        out, start = [], 0
        for one, other in pairwise(self.numbers):
            between = self.text[one.end : other.start]
            for joins in (words(self.language).file.joins, words(self.language).file.weak_joins):
                cuts = [m.end() for m in re.finditer(joins, between, re.I)]
                if cuts:
                    out.append((start, one.end + cuts[-1]))
                    start = one.end + cuts[-1]
                    break
        return [*out, (start, len(self.text))]

    def context(self, number: Stated) -> dict[str, float]:
        """The telling words around a number with their weights; those of its own statement weigh more."""
        start, end = next((a, b) for a, b in self.statements if a <= number.start < b or b == len(self.text))
        begun = [m.span() for m in re.finditer(words(self.language).file.begun, self.text, re.I)]
        weights: dict[str, float] = {}
        for word, place in words(self.language).tokens(self.text):
            if not number.start <= place < number.end:
                weight = _NEAR if start <= place < end else _FAR
                weight *= _BEGUN if any(a <= place < b for a, b in begun) else 1.0
                weights[word] = max(weight, weights.get(word, 0.0))
        return weights


class Known:
    """All that backs a reply."""

    def __init__(self, passages: Sequence[Passage], language: str, names: str = "") -> None:
        """Read the facts. names: names and numbers of the customer's orders; they back no other claim."""
        self.passages, self.language, self.names = passages, language, names.lower()
        self.words: Words = words(language)
        self.sentences = [
            Sentence(p.id, p.text[start:end], start, language) for p in passages for start, end in sentences(p.text)
        ]
        self.text = "\n".join(p.text for p in passages)
        self.lower = " ".join(self.text.lower().split())
        self.all_words = frozenset(word for s in self.sentences for word in s.words)
        self.order_words = self.words.telling(f"{names} {self.words.file.order_words}") if names else frozenset[str]()

    @cached_property
    def rarity(self) -> dict[str, float]:
        """How much a word tells: the fewer sentences have it, the more."""
        total = len(self.sentences)
        counts: dict[str, int] = {}
        for sentence in self.sentences:
            for word in sentence.words:
                counts[word] = counts.get(word, 0) + 1
        return {word: 0.3 + log(1 + total / count) for word, count in counts.items()}

    def likeness(self, one: dict[str, float], other: dict[str, float]) -> float:
        """How well the context of a fact fits that of a reply: 0 to 1.5.

        It is the share of the reply's words that the fact has, and half of what both share (a Dice coefficient), since
        a reply says less than the fact. Words that no fact has tell nothing here.

        Args:
            one: Of the reply: weight by word.
            other: Of the fact.
        """
        rare = self.rarity
        own = {word: weight for word, weight in one.items() if word in rare}
        shared = sum(min(weight, other.get(word, 0.0)) * rare[word] for word, weight in own.items())
        first = sum(weight * rare[word] for word, weight in own.items())
        last = sum(weight * rare.get(word, 0.4) for word, weight in other.items())
        return shared / first + shared / (first + last) if first else 0.0

    def holds(self, text: str) -> bool:
        """Whether the facts hold a text word by word, whatever its blanks and capitals."""
        return " ".join(text.lower().split()).strip(" .,;:!?") in self.lower


def read(text: str, language: str) -> list[Sentence]:
    """Return the sentences of a reply."""
    return [Sentence("", text[start:end], start, language) for start, end in sentences(text)]
