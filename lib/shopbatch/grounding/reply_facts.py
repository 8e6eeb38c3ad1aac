"""The data of the reply checks: facts and replies as sentences with content words, numbers and statements."""

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
_BEGUN = 0.25  # factor for words that say when a period begins: after the return has reached us


@dataclass(frozen=True)
class Passage:
    """A text that may back a reply, such as a section of a policy.

    Attributes:
        id: Name of the passage; `replies.Backing.passage` refers to it.
        text: The text.
    """

    id: str
    text: str


@dataclass(frozen=True)
class Sentence:
    """A sentence of a passage or of a reply, with its parsed words and numbers.

    Attributes:
        passage: Id of the passage; "" for a sentence of a reply.
        text: The sentence.
        start: Start of the sentence in the passage or reply, in characters.
        language: Language whose word lists parse it, "en" or "zh".
    """

    passage: str
    text: str
    start: int
    language: str

    @cached_property
    def words(self) -> frozenset[str]:
        """Return the content words of the sentence, normalised (see `reply_words`)."""
        return words(self.language).telling(self.text)

    @cached_property
    def numbers(self) -> list[Stated]:
        """Return the numbers of the sentence, with positions in the sentence."""
        return numbers(self.text, self.language)

    @cached_property
    def statements(self) -> list[tuple[int, int]]:
        """Return (start, end) of the parts of the sentence that each make a statement about one number.

        A cut lies between two numbers, behind the last strong conjunction there (";", "and", "but"), or else behind the
        last weak one (","); two numbers without a conjunction between them stay in one part.
        """
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
        """Return the content words around a number with their weights, at most 1.

        Words in the number's own statement (see `statements`) have a greater weight than words elsewhere in the
        sentence.
        """
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
    """All facts that may back one reply, parsed for the checks.

    Attributes:
        passages: The passages of text.
        language: "en" or "zh".
        names: Numbers, carriers, tracking numbers and products of the customer's orders, in small letters.
        words: The word lists of the language.
        sentences: The sentences of all passages.
        text: All passages, one per line.
        lower: `text` in small letters, with single blanks.
        all_words: Content words of all passages.
        order_words: Further content words that a reply may use if the ticket names orders; else empty.
    """

    def __init__(self, passages: Sequence[Passage], language: str, names: str = "") -> None:
        """Parse the facts.

        Args:
            passages: The passages of text.
            language: "en" or "zh".
            names: Numbers, carriers, tracking numbers and products of the customer's orders (`OrderFacts.text`). A
                reply may repeat them, but they back no other claim.
        """
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
        """Return a mapping from each content word of the facts to its weight, about 1 or more.

        The fewer sentences of the facts contain a word, the greater its weight is (like an inverse document frequency).
        """
        total = len(self.sentences)
        counts: dict[str, int] = {}
        for sentence in self.sentences:
            for word in sentence.words:
                counts[word] = counts.get(word, 0) + 1
        return {word: 0.3 + log(1 + total / count) for word, count in counts.items()}

    def likeness(self, one: dict[str, float], other: dict[str, float]) -> float:
        """Return how well the words around a number of a fact fit those around a number of the reply, 0 to 1.5.

        It is the weighted share of the reply's words that the fact has too, plus half the Dice coefficient of both
        sets. The share counts more because a reply is usually shorter than the fact. Words of the reply that are in no
        fact are ignored.

        Args:
            one: Words around the number of the reply, with weights (see `Sentence.context`).
            other: Words around the number of the fact, with weights.
        """
        rare = self.rarity
        own = {word: weight for word, weight in one.items() if word in rare}
        shared = sum(min(weight, other.get(word, 0.0)) * rare[word] for word, weight in own.items())
        first = sum(weight * rare[word] for word, weight in own.items())
        last = sum(weight * rare.get(word, 0.4) for word, weight in other.items())
        return shared / first + shared / (first + last) if first else 0.0

    def holds(self, text: str) -> bool:
        """Return True if the facts contain a text word by word, ignoring case, blanks and punctuation at its ends."""
        return " ".join(text.lower().split()).strip(" .,;:!?") in self.lower


def read(text: str, language: str) -> list[Sentence]:
    """Split a reply into parsed sentences."""
    return [Sentence("", text[start:end], start, language) for start, end in sentences(text)]
