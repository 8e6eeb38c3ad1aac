"""Generates `tickets`: questions of the dialogs about a sample's orders, with the noise of real tickets.

Row i is a function of (seed, i), so rows can be generated in any order. Half are in English, half in Chinese, apart
from a few in other languages. The noise: typos, several questions in one ticket, questions that no policy answers,
prompt injections, order numbers of other customers or of nobody, guests, personal data, follow-up messages, and urgent
cases that a person must see at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from shopbatch.sample.dialog_words import LANGUAGES, intents, phrases
from shopbatch.sample.dialogs import question
from shopbatch.sample.orders import DAY, HOUR, NOW, NUMBERS, Customers, Order, number_of, order, tabulated
from shopbatch.sample.templates import Dice, choose, fill
from shopbatch.sample.ticket_words import ticket_phrases
from shopbatch.tables.tickets import TICKETS

VERSION = 1  # version of the generator; raise it with every change of the generated rows
ROWS = 600  # number of tickets; a sample with fewer reviews has as many tickets as reviews
NOTE = (
    "invented, half English, half Chinese, of the 60 days before 2024-12-31; 4 in 10 hold several questions, or none "
    "that may be answered"
)
LONG = 12_000  # least characters of a ticket that is made too long
_SPAN = 60 * DAY
_MARKETS = {"en": "US", "zh": "CN"}


@dataclass(frozen=True)
class _Draft:
    """A ticket that is being written.

    Attributes:
        dice: Source of all random draws.
        language: en or zh.
        known: Values for the placeholders of its templates (order, item, date).
    """

    dice: Dice
    language: str
    known: dict[str, str]


_Made = tuple[str, str]  # (text, language)
_Kind = Callable[[_Draft], _Made]


def count(reviews: int | None) -> int:
    """Return the number of tickets for a sample of `reviews` reviews: one per review, at most `ROWS`.

    `ROWS` if `reviews` is None (a sample with all reviews).
    """
    return ROWS if reviews is None else min(ROWS, reviews)


def tickets(customers: Customers, first: int, count: int) -> pa.Table:
    """Return rows [first, first + count) of `tickets`; about 5,000 per second."""
    return tabulated(TICKETS, [_ticket(customers, row) for row in range(first, first + count)])


def _ticket(customers: Customers, row: int) -> dict[str, Any]:
    dice = Dice(customers.seed, "ticket", row)
    language = LANGUAGES[row % 2]
    kind = _kind(dice.below(1_000))
    if kind is _follow_up and row >= len(LANGUAGES):
        return _later(customers, row, dice)
    own = _own_order(dice, customers, language)
    draft = _draft(dice, customers, kind, language, own)
    text, written_in = kind(draft)
    text = _noisy(draft, text) if written_in == language and kind is not _empty else text
    earliest = max(NOW - _SPAN, 0 if own is None else own.placed + HOUR)
    subject = choose(dice, ticket_phrases().subjects[language], draft.known) if dice.chance(35) else ""
    in_form = own is not None and kind in (_single, _several) and dice.chance(35)
    return {
        "ticket_id": f"t-{row:06}",
        "thread_id": None,
        "user_id": None if own is None else own.user_id,
        "order_id": own.order_id if in_form and own is not None else None,
        "subject": fill(subject, draft.known) or None,
        "text": text or None,
        "language": written_in if dice.chance(40) else None,
        "market": _MARKETS[language] if dice.chance(50) else None,
        "channel": dice.one(ticket_phrases().channels),
        "created_at": (earliest + dice.below(max(NOW - earliest, 1))) * 1_000_000,
        "source": "sample",
    }


def _later(customers: Customers, row: int, dice: Dice) -> dict[str, Any]:
    """Return a follow-up message, as a row of `tickets`, in the thread of an earlier ticket and in its language.

    Args:
        customers: The users of the sample.
        row: Row number of the follow-up message.
        dice: Source of all random draws.
    """
    step = len(LANGUAGES)
    before = _ticket(customers, row % step + step * dice.below(row // step))
    written = before["created_at"] // 1_000_000
    return before | {
        "ticket_id": f"t-{row:06}",
        "thread_id": before["thread_id"] or before["ticket_id"],
        "subject": None,
        "text": dice.one(ticket_phrases().follow_ups[LANGUAGES[row % step]]),
        "language": None,
        "created_at": (written + dice.below(max(NOW - written, 1))) * 1_000_000,
    }


def _draft(dice: Dice, customers: Customers, kind: _Kind, language: str, own: Order | None) -> _Draft:
    """Return the draft of a ticket with the order, product and date that its text may name.

    Args:
        dice: Source of all random draws.
        customers: The users of the sample.
        kind: The function that will write the ticket. It decides about the order: another customer's for `_not_yours`,
            one that does not exist for `_unknown_number`, else `own`.
        language: en or zh.
        own: An order of the writer; None if there is none, so that a text about it names an order that does not exist.
    """
    named = _named(dice, customers, language, own) if kind is _not_yours else own
    unknown = number_of(customers.seed, customers.orders + dice.below(NUMBERS - customers.orders))
    digits = unknown if kind is _unknown_number or named is None else named.order_id.removeprefix("SB-")
    known = {"order": dice.one(ticket_phrases().orders).format(digits)}
    if named is not None:
        day, words = datetime.fromtimestamp(named.placed, UTC), phrases(language)
        known["item"] = dice.one(named.lines).name
        known["date"] = fill(words.date, {"day": str(day.day), "month": words.months[day.month - 1]})
    return _Draft(dice, language, known)


def _own_order(dice: Dice, customers: Customers, language: str) -> Order | None:
    """Return a random order in a language; the customer of this order becomes the writer of the ticket.

    None if 20 draws find no order in this language.
    """
    for _ in range(20):
        one = order(customers, dice.below(customers.orders))
        if one.language == language:
            return one
    return None


def _named(dice: Dice, customers: Customers, language: str, own: Order | None) -> Order | None:
    """Return a random order, in a language, of another customer than the customer of `own`.

    None if 20 draws find none.
    """
    for _ in range(20):
        one = _own_order(dice, customers, language)
        if one is not None and one.user_id and (own is None or one.user_id != own.user_id):
            return one
    return None


def _single(draft: _Draft) -> _Made:
    """Write a ticket with one question; returns the text and its language."""
    listed = intents(draft.language)
    intent = listed[draft.dice.one(tuple(listed))]
    asked = question(draft.dice, draft.language, intent, draft.dice.one(intent.cases), draft.known)
    return asked.text, draft.language


def _several(draft: _Draft) -> _Made:
    """Write a ticket with two or three questions; returns the text and its language."""
    text = _single(draft)[0]
    for _ in range(draft.dice.one((1, 1, 1, 2))):
        text += ("\n" if draft.dice.chance(30) else " ") + draft.dice.one(ticket_phrases().also[draft.language])
        text += _single(draft)[0]
    return text, draft.language


def _with_number(draft: _Draft) -> _Made:
    """Write a ticket with one question about an order and its number; returns the text and its language."""
    listed = {name: intent for name, intent in intents(draft.language).items() if intent.about == "order"}
    intent = listed[draft.dice.one(tuple(listed))]
    text = question(draft.dice, draft.language, intent, draft.dice.one(intent.cases), draft.known).text
    number = draft.known["order"]
    return (text if number in text else f"{text} {number}"), draft.language


def _not_yours(draft: _Draft) -> _Made:
    """Write a ticket about another customer's order; returns the text and its language."""
    return _with_number(draft)


def _unknown_number(draft: _Draft) -> _Made:
    """Write a ticket about an order number that does not exist; returns the text and its language."""
    return _with_number(draft)


def _out_of_scope(draft: _Draft) -> _Made:
    return _chosen(draft, ticket_phrases().out_of_scope[draft.language]), draft.language


def _urgent(draft: _Draft) -> _Made:
    about = draft.dice.one(tuple(ticket_phrases().urgent.values()))
    return _chosen(draft, about[draft.language]), draft.language


def _injection(draft: _Draft) -> _Made:
    listed = ticket_phrases().injections
    language = draft.language if draft.dice.chance(80) else draft.dice.one(tuple(listed))
    text = _chosen(draft, listed[language])
    return (f"{_single(draft)[0]} {text}" if draft.dice.chance(30) else text), language


def _other_language(draft: _Draft) -> _Made:
    language = draft.dice.one(tuple(ticket_phrases().others))
    return _chosen(draft, ticket_phrases().others[language]), language


def _person(draft: _Draft) -> _Made:
    return _chosen(draft, ticket_phrases().person[draft.language]), draft.language


def _follow_up(draft: _Draft) -> _Made:
    """Write a follow-up message whose first message is not in the table; returns the text and its language."""
    return _chosen(draft, ticket_phrases().follow_ups[draft.language]), draft.language


def _empty(draft: _Draft) -> _Made:
    """Write a ticket without text, of white space only, or longer than `LONG`; returns the text and its language."""
    kind = draft.dice.below(3)
    text = _single(draft)[0]
    return ("", " \n", (text + " ") * (LONG // (len(text) + 1) + 1))[kind], draft.language


_SHARES: tuple[tuple[int, _Kind], ...] = (  # number of tickets of each type among 1,000
    (428, _single),
    (160, _with_number),
    (110, _several),
    (90, _out_of_scope),
    (60, _urgent),
    (40, _not_yours),
    (20, _unknown_number),
    (30, _injection),
    (30, _other_language),
    (8, _person),
    (20, _follow_up),
    (4, _empty),
)


def _kind(draw: int) -> _Kind:
    for share, kind in _SHARES:
        if draw < share:
            return kind
        draw -= share
    raise AssertionError("the shares are 1,000 in all")


def _chosen(draft: _Draft, templates: tuple[str, ...]) -> str:
    return fill(choose(draft.dice, templates, draft.known), draft.known)


def _noisy(draft: _Draft, text: str) -> str:
    """Add the noise of real messages to a text: personal data, typos, capitals and marks such as "!!!"."""
    dice = draft.dice
    if dice.chance(4):
        text += " " + choose(dice, ticket_phrases().contacts[draft.language], {})
    if dice.chance(15):
        text = _mistyped(dice, text)
    if draft.language == "en" and dice.chance(3):
        text = text.upper()
    if dice.chance(4):
        text += dice.one(("!!!", "???", " :(", "。。。", " 🙏", "\n\nSent from my phone"))
    return text


def _mistyped(dice: Dice, text: str) -> str:
    """Drop, double or swap one to three letters of a text; digits stay, so that order numbers remain correct."""
    for _ in range(dice.between(1, 3)):
        places = [i for i in range(1, len(text) - 2) if text[i].isalpha() and text[i + 1].isalpha()]
        if not places:
            return text
        at = dice.one(places)
        middle = dice.one((text[at + 1], text[at] * 2 + text[at + 1], text[at + 1] + text[at]))
        text = text[:at] + middle + text[at + 2 :]
    return text
