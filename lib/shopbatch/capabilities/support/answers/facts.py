"""What the shop knows for a ticket: sections of policies, the order of its own user, dates reckoned from both.

Facts are pure data, written as JSON: equal facts are equal text, so that only a ticket whose facts have changed is
answered again.
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

VERSION = 3  # of what is joined
MOST_LINES = 50  # of an order; more would fill a prompt
NOT_YOURS = "not_yours"  # an order number of somebody else, or of nobody
OTHER_LANGUAGE = "other_language"  # the shop has no policy in the ticket's language
UNTRANSLATED = "untranslated_policy"  # it has some, and of what is asked for only another language says anything
ORDER_COLUMNS = (
    *("order_id", "user_id", "status", "market", "placed_at", "shipped_at", "delivered_at"),
    *("carrier", "tracking", "total", "currency", "updated_at"),
)
LINE_COLUMNS = ("order_id", "line_number", "user_id", "name", "quantity", "unit_price")


@dataclass(frozen=True)
class Asked:
    """A question's intent and the sections that answer it."""

    intent: str
    sections: tuple[Section, ...] = ()


@dataclass(frozen=True)
class Facts:
    """All that is known for a ticket.

    Attributes:
        asked: For each different intent of its questions, in their order, the sections that answer it.
        orders: The orders of the ticket's own user that it names; days are days of the shop's time zone.
        deadlines: Dates that follow from both.
        flags: NOT_YOURS, OTHER_LANGUAGE, UNTRANSLATED.
        message: Which message of its thread it is, from 1 on.
    """

    asked: tuple[Asked, ...] = ()
    orders: tuple[OrderFacts, ...] = ()
    deadlines: tuple[Deadline, ...] = ()
    flags: tuple[str, ...] = ()
    message: int = 1

    @property
    def sections(self) -> list[Section]:
        """The sections of all questions, each once."""
        return list(dict.fromkeys(section for asked in self.asked for section in asked.sections))

    def text(self) -> str:
        """Write the facts as JSON; equal facts give equal text."""
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str)

    @classmethod
    def of(cls, text: str) -> Facts:
        """Read what `text` wrote."""
        tree = json.loads(text)
        asked = tuple(Asked(a["intent"], tuple(map(_section, a["sections"]))) for a in tree["asked"])
        orders = tuple(map(_read_order, tree["orders"]))
        reckoned = tuple(
            Deadline(**{**d, "begun": dt.date.fromisoformat(d["begun"]), "last": dt.date.fromisoformat(d["last"])})
            for d in tree["deadlines"]
        )
        return cls(asked, orders, reckoned, tuple(tree["flags"]), int(tree["message"]))


def _section(tree: dict[str, Any]) -> Section:
    return Section(**{**tree, "values": tuple(Value(**value) for value in tree["values"])})


def _read_order(tree: dict[str, Any]) -> OrderFacts:
    lines = tuple(OrderLine(**line) for line in tree["lines"])
    return OrderFacts(**{**tree, **{name: _day(tree[name]) for name in EVENTS}, "lines": lines})


def _day(text: str | None) -> dt.date | None:
    return None if text is None else dt.date.fromisoformat(text)


@dataclass(frozen=True)
class Ticket:
    """What the join reads of a ticket."""

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
    """What tickets are joined with.

    Attributes:
        policies: The shop's policies.
        orders: Rows of `orders` by `order_key`, at least of all that a ticket names.
        lines: Rows of `order_lines` of these orders, by the same number, in the order of the lines.
        zone: Time zone of the shop's days.
        fallback_language: See the configuration.
        holidays: See the configuration.
    """

    policies: Policies
    orders: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    lines: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    zone: str = "UTC"
    fallback_language: str = "en"
    holidays: frozenset[dt.date] = frozenset()

    @cached_property
    def of_user(self) -> Mapping[str, Sequence[str]]:
        """The keys of each user's orders."""
        out: dict[str, list[str]] = {}
        for key, row in self.orders.items():
            out.setdefault(row["user_id"] or "", []).append(key)
        return out

    def facts(self, ticket: Ticket) -> Facts:
        """Return what the shop knows for a ticket.

        An order counts only if it is the ticket's own user's and the ticket names it. A number that is another user's
        order, or that the form states and nobody has, gives no fact but the flag NOT_YOURS.
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
        """The orders of the ticket's user that it names, and flags."""
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
    """An order with its lines; a line without a name says nothing, and one of another user is not this order's."""
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
    return None if amount is None else str(amount)


def day_of(moment: dt.datetime, zone: str) -> dt.date:
    """Return the day of a moment in a time zone; a moment without a zone of its own is UTC."""
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=dt.UTC)
    return aware.astimezone(ZoneInfo(zone)).date()
