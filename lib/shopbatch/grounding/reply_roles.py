"""Whether each number of a reply is one of the facts, in its unit, and used for what the facts use it for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from shopbatch.grounding.reply_facts import Known, Sentence
from shopbatch.grounding.reply_numbers import DATE, ORDER, Stated, equal

_ASKED = 0.35  # weight of the question's words, beside those of the reply
_LEAST = 0.3  # likeness of another statement, at least
_LEAD = 1.12  # so much better another statement must fit before a number counts as used for it
NUMBER, UNIT, ROLE, MIXED = "number", "unit", "role", "mixed"


@dataclass(frozen=True)
class Backed:
    """A number of a reply: what is wrong with it ("" for nothing), and the fact that backs it."""

    number: Stated
    problem: str
    sentence: Sentence | None = None
    source: Stated | None = None


def judge_numbers(sentence: Sentence, before: Sentence | None, asked: frozenset[str], known: Known) -> Iterator[Backed]:
    """Judge the numbers of a sentence of a reply.

    Args:
        sentence: The sentence.
        before: The sentence before it.
        asked: The telling words of the question, which say what a short answer is about.
        known: The facts.
    """
    for number in sentence.numbers:
        own = sentence.context(number)
        context = {word: _ASKED for word in asked if word in known.all_words} | own
        if before is not None and len(own) < 2:
            context = {word: _ASKED for word in before.words} | context
        yield _judged(number, context, known)


def _judged(number: Stated, context: dict[str, float], known: Known) -> Backed:
    language = known.language
    backing: list[tuple[float, Sentence, Stated]] = []
    rivals: list[tuple[float, Sentence]] = []
    same_value = False
    for sentence in known.sentences:
        for fact in sentence.numbers:
            same_value |= fact.value == number.value
            likeness = known.likeness(context, sentence.context(fact))
            if equal(number, fact, language):
                backing.append((likeness, sentence, fact))
            elif fact.kind == number.kind and number.kind not in (DATE, ORDER, "count"):
                rivals.append((likeness, sentence))
    if not backing:
        return Backed(number, UNIT if same_value else NUMBER)
    best, sentence, fact = max(backing, key=lambda each: each[0])
    if number.kind in (DATE, ORDER):
        return Backed(number, "", sentence, fact)
    rival = max(rivals, key=lambda each: each[0], default=None)
    if rival is not None and rival[0] > max(_LEAST, _LEAD * best):
        return Backed(number, ROLE if rival[1].passage == sentence.passage else MIXED)
    return Backed(number, "", sentence, fact)
