"""Whether each number of a reply is one of the facts, in its unit, and used for what the facts use it for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from shopbatch.grounding.reply_facts import Known, Sentence
from shopbatch.grounding.reply_numbers import CLOCK, COUNT, DATE, ORDER, Stated, derived_values, equal, reckoned
from shopbatch.grounding.reply_orders import OrderFacts, is_of_order
from shopbatch.grounding.reply_words import words

_ASKED = 0.35  # weight of the question's words, beside those of the reply
_OWN = 2  # words beside a number, from which it says by itself what it is for
_EXACT = 0.005  # of amounts that are reckoned
_LEAST = 0.3  # likeness of another statement, at least
_LEAD = 1.12  # so much better another statement must fit before a number counts as used for it
NUMBER, UNIT, ROLE, MIXED = "number", "unit", "role", "mixed"


@dataclass(frozen=True)
class Backed:
    """A number that a reply states: what is wrong with it ("" if nothing is), and the fact that supports it."""

    number: Stated
    problem: str
    sentence: Sentence | None = None
    source: Stated | None = None


@dataclass(frozen=True)
class Question:
    """What a customer asks: the telling words, and the numbers."""

    words: frozenset[str]
    numbers: tuple[Stated, ...]


def judge_numbers(
    sentence: Sentence, before: Sentence | None, asked: Question, known: Known, orders: Sequence[OrderFacts] = ()
) -> Iterator[Backed]:
    """Judge the numbers of a sentence of a reply.

    Args:
        sentence: The sentence.
        before: The sentence before it.
        asked: The question; its words say what a short answer is about. A number of it may be repeated only to say that
            it is too great or too small.
        known: The facts.
        orders: The customer's own orders.
    """
    given = [*asked.numbers, *_of_orders(orders)]
    units = {fact.unit for each in known.sentences for fact in each.numbers}
    worked_out = {n: derived(n, given, known) for n in sentence.numbers}
    shares_words = bool(sentence.words & known.all_words) or any(worked_out.values())  # in words of the facts
    for number in sentence.numbers:
        trivial = re.match(words(known.language).file.trivial, sentence.text[number.end :], re.I)
        if trivial or _is_each(number, sentence, known):
            yield Backed(number, "")
            continue
        of_order = is_of_order(number, sentence, orders)
        if of_order is not None:
            yield Backed(number, "" if of_order else ROLE)
            continue
        own = sentence.context(number)
        context = {word: _ASKED for word in asked.words if word in known.all_words} | own
        if before is not None and len(own) < _OWN:
            context = {word: _ASKED for word in before.words} | context
        backed = _judged(number, context, known, sure=len(own) >= _OWN or before is None)
        free = _is_reckoned(number, known, orders) or _is_compared(number, sentence, asked)
        free = (
            free
            or worked_out[number]
            or (shares_words and _is_supposed(number, sentence, asked, any(worked_out.values()), units))
        )
        free = free or (backed.problem == UNIT and _is_business(number, sentence, known))
        if backed.problem in (NUMBER, UNIT) and free:
            backed = Backed(number, "")
        yield backed


def derived(number: Stated, given: Sequence[Stated], known: Known) -> bool:
    """Whether an amount or a count follows from one of the facts and one of the question or the order."""
    if number.kind not in ("money", COUNT):
        return False
    facts = [
        fact for sentence in known.sentences for fact in sentence.numbers if fact.kind in ("money", "share", COUNT)
    ]
    return any(abs(number.value - value) < _EXACT for value in derived_values(number.kind, given, facts))


def _of_orders(orders: Sequence[OrderFacts]) -> Iterator[Stated]:
    """The amounts and counts of orders as numbers."""
    for order in orders:
        whole, single = order.amounts
        for kind, values in (("money", whole | single), (COUNT, order.quantities)):
            yield from (Stated(value, "", kind, 0, 0) for value in values)


def _is_business(number: Stated, sentence: Sentence, known: Known) -> bool:
    """Whether days are business days of the facts, as the sentence says elsewhere."""
    named = re.search(words(known.language).file.units["wday"].names, sentence.text, re.I)
    facts = (fact for each in known.sentences for fact in each.numbers)
    return bool(named) and number.unit == "day" and any(f.unit == "wday" and f.value == number.value for f in facts)


def _is_each(number: Stated, sentence: Sentence, known: Known) -> bool:
    """Whether a number is the word for one, and the facts speak of each of its unit."""
    word = sentence.text[number.start : number.start + 1]
    return number.value == 1 and not word.isdigit() and bool(re.search(words(known.language).file.each, known.lower))


def _is_reckoned(number: Stated, known: Known, orders: Sequence[OrderFacts]) -> bool:
    """Whether a date follows from a date and a span of time of the facts."""
    if number.kind != DATE:
        return False
    facts = [fact for sentence in known.sentences for fact in sentence.numbers]
    facts += [day for order in orders for day in order.days]
    month, day = divmod(int(number.value) % 10_000, 100)
    return any(last is not None and last[1] == day and month in (0, last[0]) for last in _last_days(facts))


def _last_days(facts: Sequence[Stated]) -> Iterator[tuple[int, int] | None]:
    """Month and day on which the spans of time of the facts end, counted from their dates."""
    yield from (reckoned(a, b) for a in facts if a.kind == DATE for b in facts if b.kind == "time")


def _is_compared(number: Stated, sentence: Sentence, asked: Question) -> bool:
    """Whether a sentence says of a number of the question that it is too great or too small."""
    language = sentence.language
    repeats = any(number.value == other.value for other in asked.numbers)
    return repeats and bool(re.search(words(language).file.compares, sentence.text, re.I))


def _is_supposed(number: Stated, sentence: Sentence, asked: Question, reckons: bool, units: set[str]) -> bool:
    """Whether a sentence reckons with an amount or a count of the question, or repeats a bare number of it."""
    if not any(number.value == other.value for other in asked.numbers) or number.kind not in ("money", COUNT):
        return False
    file = words(sentence.language).file
    before, behind = sentence.text[: number.start], sentence.text[number.start :]
    figures = re.sub(r"^[\d.,]+", "", behind)
    bare = not number.unit and any(number.value == other.value and not other.unit for other in asked.numbers)
    bare = bare or (number.kind == COUNT and number.unit not in units)
    said = re.search(file.supposes, before, re.I) or re.match(file.supposes_behind, figures, re.I)
    return reckons or bare or bool(said)


def _judged(number: Stated, context: dict[str, float], known: Known, *, sure: bool) -> Backed:
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
            elif fact.kind == number.kind and number.kind not in (DATE, ORDER, COUNT, CLOCK):
                rivals.append((likeness, sentence))
    if not backing:
        return Backed(number, UNIT if same_value else NUMBER)
    best, sentence, fact = max(backing, key=lambda each: each[0])
    if number.kind in (DATE, ORDER):
        return Backed(number, "", sentence, fact)
    rival = max(rivals, key=lambda each: each[0], default=None)
    if sure and rival is not None and rival[0] > max(_LEAST, _LEAD * best):
        return Backed(number, ROLE if rival[1].passage == sentence.passage else MIXED)
    return Backed(number, "", sentence, fact)
