"""Checks a reply's statements about the customer's orders, for `replies.check_reply`.

States, dates, amounts, products and parcels are compared with the shop's data on the orders that the ticket names.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from shopbatch.grounding.reply_facts import Known, Sentence
from shopbatch.grounding.reply_numbers import COUNT, DATE, ORDER, Stated
from shopbatch.grounding.reply_rules import Clause, RuleFile, clauses, found, rules
from shopbatch.text.letters import LATIN

EVENTS = ("placed_at", "shipped_at", "delivered_at")
_QUOTES = ("“", "‘", "「", "『", '"', "'")  # a state behind a quotation mark is the name of a button
_BEFORE = 6  # characters before a state in which a denial refers to it
_BLANKS = re.compile(r"[\s-]+")

Span = tuple[str, int, int]


@dataclass(frozen=True)
class OrderLine:
    """One line of an order.

    Attributes:
        title: Name of the product.
        quantity: Number of pieces.
        unit_price: Price of one piece as a decimal number, such as "12.50"; None if unknown.
    """

    title: str
    quantity: int = 1
    unit_price: str | None = None


@dataclass(frozen=True)
class OrderFacts:
    """The shop's data about one order of the customer.

    Attributes:
        order_id: Order number, as the customer knows it.
        status: State of the order, such as "shipped" (a value of `true_of` in reply_rules.*.yaml); None if unknown.
        placed_at: Day on which it was placed; None if unknown.
        shipped_at: Day on which it was shipped; None if not yet.
        delivered_at: Day on which it was delivered; None if not yet.
        carrier: Name of the carrier; None if unknown.
        tracking: The carrier's tracking number; None if unknown.
        total: Total price as a decimal number, such as "25.00"; None if unknown.
        currency: ISO 4217 code of the amounts; None if unknown.
        lines: The order lines; () if unknown.
    """

    order_id: str
    status: str | None = None
    placed_at: dt.date | None = None
    shipped_at: dt.date | None = None
    delivered_at: dt.date | None = None
    carrier: str | None = None
    tracking: str | None = None
    total: str | None = None
    currency: str | None = None
    lines: tuple[OrderLine, ...] = ()

    @property
    def events(self) -> dict[str, dt.date]:
        """Return the days of the order that are known, by the name of the event ("placed_at", ...; see EVENTS)."""
        days = {name: getattr(self, name) for name in EVENTS}
        return {name: day for name, day in days.items() if day is not None}

    @property
    def amounts(self) -> tuple[set[float], set[float]]:
        """Return two sets: the total price with the price of each order line, and the prices of single pieces."""
        whole = {float(self.total)} if self.total else set()
        priced = [(line.quantity, float(line.unit_price)) for line in self.lines if line.unit_price]
        return whole | {round(n * price, 2) for n, price in priced}, {price for _, price in priced}

    @property
    def quantities(self) -> set[float]:
        """Return the counts of the order: pieces of each line, pieces in all, and number of lines."""
        counts = [line.quantity for line in self.lines]
        return {float(n) for n in (*counts, sum(counts), len(counts)) if n}

    @property
    def days(self) -> list[Stated]:
        """Return the days of `events` as `Stated` numbers, so that they can be compared with dates in a reply."""
        return [Stated(d.year * 10_000 + d.month * 100 + d.day, "", DATE, 0, 0) for d in self.events.values()]

    def text(self) -> str:
        """Return order number, carrier, tracking number and product titles in small letters, to look names up in."""
        said = (self.order_id, self.carrier, self.tracking, *(line.title for line in self.lines))
        return " ".join(part.lower() for part in said if part)


def order_states(sentence: Sentence, orders: Sequence[OrderFacts], known: Known) -> Iterator[tuple[Span, bool]]:
    """Yield each statement of a sentence about the state of an order, with whether it is true of one of the orders.

    Args:
        sentence: A sentence of the reply.
        orders: The customer's orders that the ticket names.
        known: The facts.

    Yields:
        (("status", start, end), is true); the positions are relative to the sentence. A statement also counts as true
        if an order has no known status.
    """
    file = rules(known.language)
    taken: list[tuple[int, int]] = []
    for clause in clauses(sentence.text, known.language):
        if not clause.asserts or not _is_ours(clause, sentence, orders, file):
            continue
        for name, state in file.states.items():
            for m in found(state.words, clause.text):
                start, end = clause.start + m.start(), clause.start + m.end()
                before = clause.text[: m.start()]
                denied = not name.startswith("not_") and bool(re.search(file.denies, before[-_BEFORE:]))
                denied = denied or before.endswith(_QUOTES)
                if not denied and not any(a < end and start < b for a, b in taken):
                    taken.append((start, end))
                    yield ("status", start, end), any(o.status in (None, *state.true_of) for o in orders)


def _is_ours(clause: Clause, sentence: Sentence, orders: Sequence[OrderFacts], file: RuleFile) -> bool:
    """Return True if a clause is about the customer's own order, not about something else or about all orders."""
    if re.search(file.another, clause.text, re.I):
        return False
    before = sentence.text[: clause.start + len(clause.text)]
    titles = [
        part
        for o in orders
        for line in o.lines
        for part in re.findall(rf"[{LATIN}]{{3,}}|[\u3400-\u9fff]{{2}}", line.title.lower())
    ]
    return bool(re.search(file.ours, before, re.I)) or any(part in before.lower() for part in titles)


def order_claims(sentence: Sentence, question: str, orders: Sequence[OrderFacts], known: Known) -> Iterator[Span]:
    """Yield ("order", start, end) of details in a sentence that do not fit the customer's orders or the other facts.

    Carriers, colours, sizes, tracking codes and dates of events are checked. A carrier, colour or size may also come
    from the question.

    Args:
        sentence: A sentence of the reply.
        question: The customer's message.
        orders: The customer's orders that the ticket names.
        known: The facts.
    """
    file = rules(known.language)
    there = f"{known.lower} {known.names}"
    joined = _BLANKS.sub("", there)
    for pattern, asked in ((file.carriers, True), (file.attributes, True), (file.codes, False)):
        for m in found(pattern, sentence.text):
            name = m[0].lower()
            known_name = name in there or _BLANKS.sub("", name) in joined or (asked and name in question.lower())
            if not known_name and not (asked and _is_part(name, there)):
                yield "order", *m.span()
    for number in sentence.numbers:
        if orders and number.kind == DATE and not _is_day(number, sentence, orders, file):
            yield "order", number.start, number.end


def _is_part(name: str, there: str) -> bool:
    """Return True if the facts' text `there` has the first two characters of a Chinese name (顺丰 of 顺丰速运)."""
    return len(name) >= 2 and not name.isascii() and name[:2] in there


def _is_day(number: Stated, sentence: Sentence, orders: Sequence[OrderFacts], file: RuleFile) -> bool:
    """Return False if the number's clause names one event of an order, but the number is the day of another event."""
    clause = next(
        (c for c in clauses(sentence.text, sentence.language) if c.start <= number.start < c.start + len(c.text)), None
    )
    if clause is None:
        return True
    said = [name for name in EVENTS if re.search(file.events[name], clause.text, re.I)]
    days = {name: {_number(getattr(o, name)) for o in orders} - {0} for name in EVENTS}
    of_others = any(int(number.value) % 10_000 in days[name] for name in EVENTS if name not in said)
    return len(said) != 1 or int(number.value) % 10_000 in days[said[0]] or not of_others


def _number(day: dt.date | None) -> int:
    """Return a day as month * 100 + day; 0 for None."""
    return day.month * 100 + day.day if day else 0


def is_of_order(number: Stated, sentence: Sentence, orders: Sequence[OrderFacts]) -> bool | None:
    """Tell whether a number of a reply is an amount, count, date or order number of one of the orders.

    Returns:
        True if it is; None if it is not; False if it is the price of one piece, but the sentence speaks of the total.
    """
    file = rules(sentence.language)
    for order in orders:
        whole, single = order.amounts
        if number.kind == "money":
            if number.value in whole:
                return True
            if number.value in single:
                return not re.search(file.totals, sentence.text, re.I)
        if number.kind == ORDER and number.unit in order.text():
            return True
        if number.kind == COUNT and number.value in order.quantities:
            return True
        if number.kind == DATE and int(number.value) % 10_000 in {_number(getattr(order, name)) for name in EVENTS}:
            return True
    return None
