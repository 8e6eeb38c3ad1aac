"""Checks that a generated reply to a customer says nothing beyond the shop's facts, and names each problem.

`answer_tickets` uses it. The facts are passages of text: sections of policies, sentences about the customer's own
order, dates that code has calculated. The customer's question is no fact: a number in it backs nothing. Every number of
the reply must be in the facts, in its unit, and in a statement about the same subject (`reply_roles`). A promise must
keep its condition (`reply_conditions`). Statements about actions, waivers, contacts and other people must be in the
facts (`reply_claims`). The languages are English and Chinese. The checks are rules over word lists; they call no
language model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from shopbatch.grounding.reply_claims import claims, echoes
from shopbatch.grounding.reply_conditions import dropped, is_conditional
from shopbatch.grounding.reply_facts import Known, Passage, Sentence, read
from shopbatch.grounding.reply_language import is_in_language
from shopbatch.grounding.reply_meaning import meaning
from shopbatch.grounding.reply_numbers import numbers
from shopbatch.grounding.reply_orders import OrderFacts, OrderLine, order_claims, order_states
from shopbatch.grounding.reply_roles import Backed, Question, judge_numbers
from shopbatch.text.quantities import fold_width

VERSION = 3  # of the checks and their word lists
LANGUAGES = ("en", "zh")
KINDS = (
    *("number", "unit", "role", "mixed", "condition", "act", "commitment", "waiver", "contact", "other_customer"),
    *("scope", "promise", "reversed", "status", "order", "blame"),
    *("language", "echo", "unbacked", "no_facts", "empty", "unknown_language"),
)


@dataclass(frozen=True)
class Problem:
    """A part of a reply that the facts do not back or that contradicts them.

    Attributes:
        kind: One of KINDS.
        span: The words of the reply.
        start: Start of these words in the reply, in characters.
        end: End of these words (exclusive).
        against: For the kind "condition", the sentence of the facts whose condition the reply leaves out; else "".
    """

    kind: str
    span: str
    start: int
    end: int
    against: str = ""


@dataclass(frozen=True)
class Backing:
    """A number of a reply and the number in a passage that backs it.

    Attributes:
        kind: Kind of number, such as "time" or "money" (see `reply_numbers.Stated`).
        start: Start of the number in the reply, in characters.
        end: End of the number in the reply (exclusive).
        passage: Id of the passage.
        source_start: Start of the number in the passage.
        source_end: End of the number in the passage.
    """

    kind: str
    start: int
    end: int
    passage: str
    source_start: int
    source_end: int


@dataclass(frozen=True)
class Verdict:
    """The result of the check of one reply.

    Attributes:
        problems: The problems in the order of the text; [] if none was found.
        backings: For each number of the reply that a passage backs, its position there.
    """

    problems: list[Problem]
    backings: list[Backing]


def check_reply(
    reply: str, question: str, passages: Sequence[Passage], language: str, orders: Sequence[OrderFacts] = ()
) -> Verdict:
    """Check a reply against the facts, and return its problems and the sources of its numbers.

    Args:
        reply: The reply.
        question: The customer's message.
        passages: The facts; without any, the only problem is "no_facts".
        language: Language of the ticket, in which the reply must be: one of LANGUAGES.
        orders: The shop's data on those of the customer's orders that the ticket names.
    """
    if language not in LANGUAGES:
        return Verdict([Problem("unknown_language", reply, 0, len(reply))], [])
    if not reply.strip():
        return Verdict([Problem("empty", "", 0, 0)], [])
    if not any(passage.text.strip() for passage in passages):
        return Verdict([Problem("no_facts", reply, 0, len(reply))], [])
    text = fold_width(reply)
    names = fold_width(" ".join(order.text() for order in orders))
    known = Known([Passage(p.id, fold_width(p.text)) for p in passages], language, names)
    if not is_in_language(text, language):
        return Verdict([Problem("language", reply, 0, len(reply))], [])
    said, asked = read(text, language), fold_width(question)
    judged = list(_numbers(said, asked, known, orders))
    problems = [*_of_numbers(judged, reply), *_of_words(said, text, asked, known, reply, orders)]
    backings = [_backing(sentence, backed) for sentence, backed in judged if backed.source is not None]
    return Verdict(sorted(set(problems), key=lambda p: (p.start, p.end, p.kind)), backings)


def _numbers(
    said: list[Sentence], question: str, known: Known, orders: Sequence[OrderFacts]
) -> Iterator[tuple[Sentence, Backed]]:
    """Yield (sentence, judgement) for each number in the sentences `said` of a reply."""
    asked = Question(known.words.telling(question), tuple(numbers(question, known.language)))
    for before, sentence in pairwise([None, *said]):
        if sentence is not None:
            yield from ((sentence, backed) for backed in judge_numbers(sentence, before, asked, known, orders))


def _of_numbers(judged: Sequence[tuple[Sentence, Backed]], reply: str) -> Iterator[Problem]:
    """Yield a `Problem`, with its position in the reply, for each number that `judge_numbers` found wrong."""
    for sentence, backed in judged:
        if backed.problem:
            start, end = sentence.start + backed.number.start, sentence.start + backed.number.end
            yield Problem(backed.problem, reply[start:end], start, end)


def _of_words(
    said: list[Sentence], text: str, question: str, known: Known, reply: str, orders: Sequence[OrderFacts]
) -> Iterator[Problem]:
    """Yield the problems of the reply's statements in words: claims, order states, meaning, conditions and echoes.

    Args:
        said: The sentences of the reply.
        text: The reply in half-width characters.
        question: The customer's message.
        known: The facts.
        reply: The reply as written, from which the problems are quoted.
        orders: The shop's data on the customer's orders.
    """
    for sentence in said:
        states = list(order_states(sentence, orders, known)) if orders else []
        true = [(first, last) for (_, first, last), is_true in states if is_true]
        found = [span for span, is_true in states if not is_true]
        for kind, first, last in claims(sentence, question, known):
            if kind != "act" or not any(first < b and a < last for a, b in true):
                found.append((kind, first, last))
        found += order_claims(sentence, question, orders, known)
        found += meaning(sentence, question, known)
        for kind, first, last in found:
            start, end = sentence.start + first, sentence.start + last
            yield Problem(kind, reply[start:end], start, end)
    for sentence, fact in dropped(said, question, known):
        start, end = sentence.start, sentence.start + len(sentence.text)
        yield Problem("condition", reply[start:end], start, end, fact.text)
    for kind, start, end in echoes(text, question, known):
        yield Problem(kind, reply[start:end], start, end)


def _backing(sentence: Sentence, backed: Backed) -> Backing:
    """Return the position of a number in the reply, and that of the same number in the passage that backs it."""
    if backed.sentence is None or backed.source is None:
        raise TypeError("a number without a problem has a fact that backs it")
    first = backed.sentence.start
    return Backing(
        backed.number.kind,
        sentence.start + backed.number.start,
        sentence.start + backed.number.end,
        backed.sentence.passage,
        first + backed.source.start,
        first + backed.source.end,
    )


__all__ = [
    "KINDS",
    "LANGUAGES",
    "VERSION",
    "Backing",
    "OrderFacts",
    "OrderLine",
    "Passage",
    "Problem",
    "Verdict",
    "check_reply",
    "is_conditional",
]
