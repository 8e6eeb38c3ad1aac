"""Collects the facts for a ticket: sections of policies, the customer's own orders, and deadlines from both.

Facts are written as JSON. Equal facts give equal text, so that only a ticket whose facts have changed is answered
again.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from shopbatch.capabilities.support.answers.deadlines import Deadline, deadlines
from shopbatch.capabilities.support.answers.order_numbers import order_key, order_numbers, own_numbers
from shopbatch.capabilities.support.answers.policies import Policies, Section, Value
from shopbatch.grounding.reply_orders import EVENTS, OrderFacts, OrderLine

VERSION = 3  # of the join and the facts' form
MOST_LINES = 50  # most lines of an order in the facts; more would fill a prompt
NOT_YOURS = "not_yours"  # the ticket names an order of another customer, or its form one that does not exist
OTHER_LANGUAGE = "other_language"  # the shop has no policy in the ticket's language
UNTRANSLATED = "untranslated_policy"  # policies answer the question in the fallback language only
ORDER_COLUMNS = (
    *("order_id", "user_id", "status", "market", "placed_at", "shipped_at", "delivered_at"),
    *("carrier", "tracking", "total", "currency", "updated_at"),
)
LINE_COLUMNS = ("order_id", "line_number", "user_id", "name", "quantity", "unit_price")


@dataclass(frozen=True)
class Asked:
    """One intent of a ticket's questions, with the sections of a policy that answer it.

    Attributes:
        intent: The intent, such as refund_time.
        sections: The sections, in order; () if no policy answers the intent.
    """

    intent: str
    sections: tuple[Section, ...] = ()


@dataclass(frozen=True)
class Facts:
    """The facts for a ticket.

    Attributes:
        asked: For each distinct intent of the ticket's questions, in order, the sections that answer it.
        orders: The customer's own orders that the ticket names; dates are in the shop's time zone.
        deadlines: Dates calculated from a section and the order.
        flags: Reasons not to answer. NOT_YOURS: the ticket names another customer's order, or its form an unknown one.
            OTHER_LANGUAGE: no policy is in the ticket's language. UNTRANSLATED: the policies that answer are in the
            fallback language only.
        message: Position of the ticket in its thread, from 1.
    """

    asked: tuple[Asked, ...] = ()
    orders: tuple[OrderFacts, ...] = ()
    deadlines: tuple[Deadline, ...] = ()
    flags: tuple[str, ...] = ()
    message: int = 1

    @property
    def sections(self) -> list[Section]:
        """Return the sections of all questions, each once."""
        return list(dict.fromkeys(section for asked in self.asked for section in asked.sections))

    def text(self) -> str:
        """Encode the facts as JSON; equal facts give equal text."""
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str)

    @classmethod
    def of(cls, text: str) -> Facts:
        """Decode the facts from the JSON that `text` returned."""
        tree = json.loads(text)
        asked = tuple(Asked(a["intent"], tuple(map(_section, a["sections"]))) for a in tree["asked"])
        orders = tuple(map(_read_order, tree["orders"]))
        reckoned = tuple(
            Deadline(**{**d, "begun": dt.date.fromisoformat(d["begun"]), "last": dt.date.fromisoformat(d["last"])})
            for d in tree["deadlines"]
        )
        return cls(asked, orders, reckoned, tuple(tree["flags"]), int(tree["message"]))


def _section(tree: dict[str, Any]) -> Section:
    """Decode a section from its JSON tree."""
    return Section(**{**tree, "values": tuple(Value(**value) for value in tree["values"])})


def _read_order(tree: dict[str, Any]) -> OrderFacts:
    """Decode an order from its JSON tree."""
    lines = tuple(OrderLine(**line) for line in tree["lines"])
    return OrderFacts(**{**tree, **{name: _day(tree[name]) for name in EVENTS}, "lines": lines})


def _day(text: str | None) -> dt.date | None:
    """Decode an ISO date; None stays None."""
    return None if text is None else dt.date.fromisoformat(text)


@dataclass(frozen=True)
class Ticket:
    """The fields of a ticket by which facts are looked up.

    Attributes:
        user_id: The customer; None if unknown.
        order_id: Order number of the form; None for none.
        text: Subject and text.
        language: ISO 639-1 code.
        market: The customer's market; None if unknown.
        intents: Intent of each question; None where none is likely.
        day: Date of the reply in the shop's time zone; None if unknown.
        message: Position in its thread, from 1.
    """

    user_id: str | None
    order_id: str | None
    text: str
    language: str
    market: str | None
    intents: tuple[str | None, ...]
    day: dt.date | None
    message: int = 1


@dataclass(frozen=True)
class Shop:
    """The shop's policies and orders, in which facts for tickets are looked up.

    Attributes:
        policies: The shop's policies.
        orders: Rows of `orders` by `order_key`, at least of all orders that a ticket names.
        lines: Rows of `order_lines` of these orders, by `order_key`, in the order of the lines.
        zone: Time zone of the shop.
        fallback_language: Language of the sections that are shown to the agent if none is in the ticket's language.
        holidays: Days that are not business days, in addition to Saturdays and Sundays.
    """

    policies: Policies
    orders: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    lines: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    zone: str = "UTC"
    fallback_language: str = "en"
    holidays: frozenset[dt.date] = frozenset()

    @cached_property
    def of_user(self) -> Mapping[str, Sequence[str]]:
        """Return the keys of each user's orders, by user id; "" for orders without a user."""
        out: dict[str, list[str]] = {}
        for key, row in self.orders.items():
            out.setdefault(row["user_id"] or "", []).append(key)
        return out

    def facts(self, ticket: Ticket) -> Facts:
        """Look up the facts for a ticket.

        An order is included only if the ticket names it and it belongs to the ticket's own user. If the ticket names
        another user's order, or its form states a number that no order has, no order is included and the flag NOT_YOURS
        is set. Deadlines are calculated only if exactly one order is included.
        """
        own, flags = self._orders(ticket)
        orders = tuple(_order(row, self.lines.get(order_key(row["order_id"]), ()), self.zone) for row in own)
        market = ticket.market or next((row["market"] for row in own if row.get("market")), None)
        intents = list(dict.fromkeys(intent for intent in ticket.intents if intent is not None))
        asked: list[Asked] = []
        if ticket.day is not None:
            asked = [Asked(i, tuple(self.policies.sections(i, market, ticket.language, ticket.day))) for i in intents]
            if intents and not any(a.sections for a in asked) and ticket.language != self.fallback_language:
                shown = [self.policies.sections(i, market, self.fallback_language, ticket.day) for i in intents]
                asked = [Asked(i, tuple(sections)) for i, sections in zip(intents, shown, strict=True)]
                flags += [UNTRANSLATED] if any(shown) and ticket.language in self.policies.languages else []
        if self.policies.languages and ticket.language not in self.policies.languages:
            flags.append(OTHER_LANGUAGE)
        reckoned = [
            deadline
            for order in orders[:1]
            if len(orders) == 1
            for section in dict.fromkeys(s for a in asked for s in a.sections)
            for deadline in deadlines(section, order.events, self.holidays)
        ]
        return Facts(tuple(asked), orders, tuple(reckoned), tuple(flags), ticket.message)

    def _orders(self, ticket: Ticket) -> tuple[list[Mapping[str, Any]], list[str]]:
        """Return the rows of the user's own orders that the ticket names, and the flags."""
        own, foreign = [], False
        stated = order_key(ticket.order_id or "")
        named = {n.key: n.sure for n in order_numbers(ticket.order_id, ticket.text)}
        named |= dict.fromkeys(own_numbers(self.of_user.get(ticket.user_id or "", ()), ticket.text), True)
        for number, sure in named.items():
            row = self.orders.get(number)
            if row is None:
                foreign |= bool(stated) and number == stated
            elif row["user_id"] is not None and row["user_id"] == ticket.user_id:
                own.append(row)
            else:
                foreign |= sure
        return ([], [NOT_YOURS]) if foreign else (own, [])


def _order(row: Mapping[str, Any], lines: Sequence[Mapping[str, Any]], zone: str) -> OrderFacts:
    """Return the facts of an order with its lines; lines without a name, or of another user, are left out."""
    days = {name: None if row[name] is None else day_of(row[name], zone) for name in EVENTS}
    own = [line for line in lines if line["name"] and line["user_id"] in (None, row["user_id"])]
    return OrderFacts(
        order_id=row["order_id"],
        status=row["status"],
        carrier=row["carrier"],
        tracking=row["tracking"],
        total=_decimal(row["total"]),
        currency=row["currency"],
        lines=tuple(OrderLine(n["name"], n["quantity"] or 1, _decimal(n["unit_price"])) for n in own[:MOST_LINES]),
        **days,
    )


def _decimal(amount: Decimal | None) -> str | None:
    """Return an amount as a decimal string; None stays None."""
    return None if amount is None else str(amount)


def day_of(moment: dt.datetime, zone: str) -> dt.date:
    """Return the date of a moment in a time zone; a moment without a time zone is taken as UTC."""
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=dt.UTC)
    return aware.astimezone(ZoneInfo(zone)).date()
