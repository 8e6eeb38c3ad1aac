"""Checks that each number of a reply is in the facts, with the same unit and in a statement about the same thing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from shopbatch.grounding.reply_facts import Known, Sentence
from shopbatch.grounding.reply_numbers import CLOCK, COUNT, DATE, ORDER, Stated, derived_values, equal, reckoned
from shopbatch.grounding.reply_orders import OrderFacts, is_of_order
from shopbatch.grounding.reply_words import words

_ASKED = 0.35  # weight of the question's words in the context of a number
_OWN = 2  # words around a number from which its own context suffices
_EXACT = 0.005  # tolerance of calculated amounts
_LEAST = 0.3  # least likeness of another statement that shows misuse
_LEAD = 1.12  # factor by which another statement must fit better to show misuse
NUMBER, UNIT, ROLE, MIXED = "number", "unit", "role", "mixed"


@dataclass(frozen=True)
class Backed:
    """The judgement of one number of a reply.

    Attributes:
        number: The number.
        problem: "" if there is none. NUMBER: no fact has the number. UNIT: the facts have it only with another unit.
            ROLE: the reply uses it for something for which the facts have another number, in the same passage. MIXED:
            likewise, with the other number in another passage.
        sentence: The sentence of the fact that backs the number; None if there is none.
        source: The number in that sentence; None if there is none.
    """

    number: Stated
    problem: str
    sentence: Sentence | None = None
    source: Stated | None = None


@dataclass(frozen=True)
class Question:
    """The parsed message of a customer.

    Attributes:
        words: Content words of the message.
        numbers: Numbers that the message states.
    """

    words: frozenset[str]
    numbers: tuple[Stated, ...]


def judge_numbers(
    sentence: Sentence, before: Sentence | None, asked: Question, known: Known, orders: Sequence[OrderFacts] = ()
) -> Iterator[Backed]:
    """Yield a judgement of each number in a sentence of a reply.

    Args:
        sentence: The sentence.
        before: The sentence before it in the reply; None for the first one.
        asked: The customer's question. Its words show what a short answer is about. The reply may repeat its numbers
            only to calculate with them, to suppose them ("with your 3 items"), or to call them too great or too small.
        known: The facts.
        orders: The customer's own orders.
    """
    given = [*asked.numbers, *_of_orders(orders)]
    units = {fact.unit for each in known.sentences for fact in each.numbers}
    worked_out = {n: derived(n, given, known) for n in sentence.numbers}
    shares_words = bool(sentence.words & known.all_words) or any(worked_out.values())  # the sentence is about the facts
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
    """Return True if an amount or count of a reply can be calculated from a given number and numbers of the facts.

    Args:
        number: The number of the reply.
        given: Numbers of the question and of the customer's orders.
        known: The facts.
    """
    if number.kind not in ("money", COUNT):
        return False
    facts = [
        fact for sentence in known.sentences for fact in sentence.numbers if fact.kind in ("money", "share", COUNT)
    ]
    return any(abs(number.value - value) < _EXACT for value in derived_values(number.kind, given, facts))


def _of_orders(orders: Sequence[OrderFacts]) -> Iterator[Stated]:
    """Yield the amounts and counts of orders as `Stated` numbers, which calculations can use."""
    for order in orders:
        whole, single = order.amounts
        for kind, values in (("money", whole | single), (COUNT, order.quantities)):
            yield from (Stated(value, "", kind, 0, 0) for value in values)


def _is_business(number: Stated, sentence: Sentence, known: Known) -> bool:
    """Return True if a number of days equals a number of business days in the facts, and the sentence names such days.

    An example is "3 to 5 days, that is, business days".
    """
    named = re.search(words(known.language).file.units["wday"].names, sentence.text, re.I)
    facts = (fact for each in known.sentences for fact in each.numbers)
    return bool(named) and number.unit == "day" and any(f.unit == "wday" and f.value == number.value for f in facts)


def _is_each(number: Stated, sentence: Sentence, known: Known) -> bool:
    """Return True if a number is the word "one" or "a", and the facts have a word such as "each" or "every"."""
    word = sentence.text[number.start : number.start + 1]
    return number.value == 1 and not word.isdigit() and bool(re.search(words(known.language).file.each, known.lower))


def _is_reckoned(number: Stated, known: Known, orders: Sequence[OrderFacts]) -> bool:
    """Return True if a date equals some date of the facts or orders plus some period of the facts (a deadline)."""
    if number.kind != DATE:
        return False
    facts = [fact for sentence in known.sentences for fact in sentence.numbers]
    facts += [day for order in orders for day in order.days]
    month, day = divmod(int(number.value) % 10_000, 100)
    return any(last is not None and last[1] == day and month in (0, last[0]) for last in _last_days(facts))


def _last_days(facts: Sequence[Stated]) -> Iterator[tuple[int, int] | None]:
    """Yield (month, day) of the last day of each period in the facts, counted from each date in the facts.

    None is yielded for a date and a period whose last day cannot be calculated.
    """
    yield from (reckoned(a, b) for a in facts if a.kind == DATE for b in facts if b.kind == "time")


def _is_compared(number: Stated, sentence: Sentence, asked: Question) -> bool:
    """Return True if a sentence repeats a number of the question to say that it is too great or too small."""
    language = sentence.language
    repeats = any(number.value == other.value for other in asked.numbers)
    return repeats and bool(re.search(words(language).file.compares, sentence.text, re.I))


def _is_supposed(number: Stated, sentence: Sentence, asked: Question, reckons: bool, units: set[str]) -> bool:
    """Return True if a sentence of the reply may repeat an amount or count of the customer's question.

    It may if it calculates with it, if it supposes it ("with your 3 items"), or if it states it without a unit, or as a
    count of something that the facts do not count.

    Args:
        number: The number.
        sentence: The sentence of the reply.
        asked: The question.
        reckons: Whether the sentence has a calculated number.
        units: All units of numbers in the facts.
    """
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
    """Judge one number by the equal number of the facts whose surrounding words fit best.

    The number counts as misused (ROLE or MIXED) if the words around another number of its kind in the facts fit clearly
    better.

    Args:
        number: The number of the reply.
        context: Weight of each content word around it.
        known: The facts.
        sure: Whether `context` has enough words to detect misuse.
    """
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
