"""Orders of a sample's users, and what is in them: consistent dates, states and amounts. Both samples use it.

Row i is a function of (seed, i), so rows can be made in any order. All orders stand as they do at NOW. The goods are
those of the dialogs (dialog_phrases_*.yaml), not the sample's products; amounts follow the shop's policies.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

import pyarrow as pa

from shopbatch.sample.dialog_words import phrases, policies
from shopbatch.sample.shop import START, YEARS
from shopbatch.sample.templates import Dice
from shopbatch.sample.ticket_words import ticket_phrases
from shopbatch.tables.orders import ORDER_LINES, ORDERS
from shopbatch.tables.schema import Table

VERSION = 1  # of what is generated; raise it with every change of the result
ROWS = 900  # of a sample that has at least as many reviews
NUMBERS = 900_000  # order numbers have six digits
NOW = START + YEARS * 365 * 86_400  # seconds since 1970 UTC
HOUR, DAY = 3_600, 86_400
NOTE = "invented goods; the last 120 days before 2024-12-31, as they stand then; one in 16 is a guest's"
_YUAN = 7  # per dollar
_MARKETS = {"en": ("US", "USD"), "zh": ("CN", "CNY")}
_PRICES = {"worn": (8, 70), "device": (12, 110), "other": (4, 60)}  # dollars, by kind of goods
_PRIME = 7_919  # so that neighbouring orders have numbers far apart


@dataclass(frozen=True)
class Customers:
    """The users of a sample. customer: the name and the language (en or zh) of user 0, 1, ..., count - 1."""

    seed: int
    count: int
    orders: int
    customer: Callable[[int], tuple[str, str]]

    def __hash__(self) -> int:
        return hash((self.seed, self.count, self.orders))


@dataclass(frozen=True)
class Line:
    """A product of an order. cents: price of one unit."""

    name: str
    quantity: int
    cents: int


@dataclass(frozen=True)
class Order:
    """An order as it stands at NOW. Moments are seconds since 1970 UTC; None: has not happened."""

    order_id: str
    user_id: str | None
    language: str
    status: str
    placed: int
    shipped: int | None
    delivered: int | None
    updated: int
    carrier: str | None
    tracking: str | None
    lines: tuple[Line, ...]

    @property
    def cents(self) -> int:
        """What is to be paid: the goods, and the delivery unless they come to so much that it is free."""
        promised = policies(self.language)
        goods = sum(line.quantity * line.cents for line in self.lines)
        return goods + (0 if goods >= 100 * int(promised["free_over"]) else int(Decimal(promised["ship_cost"]) * 100))


def count(reviews: int | None) -> int:
    """How many orders a sample with this number of reviews has; None means all reviews."""
    return ROWS if reviews is None else min(ROWS, reviews)


def number_of(seed: int, row: int) -> str:
    """The number of an order, of its own for each row below NUMBERS: six digits."""
    return str(100_000 + (row * _PRIME + Dice(seed, "order number", 0).below(NUMBERS)) % NUMBERS)


@lru_cache(maxsize=4_096)
def order(customers: Customers, row: int) -> Order:
    """Make one order."""
    dice = Dice(customers.seed, "order", row)
    user, language = customers.customer(dice.below(customers.count))
    guest = dice.chance(6)
    placed = NOW - HOUR - dice.below((4 if dice.chance(30) else 120) * DAY)
    kind = dice.below(100)
    slow = dice.chance(8)
    shipped = placed + (dice.between(30, 80) if slow else dice.between(1, 24)) * HOUR + dice.below(HOUR)
    delivered = shipped + dice.between(2, 6) * DAY + dice.below(12 * HOUR)
    back = delivered + dice.between(1, 29) * DAY
    refunded = back + dice.between(1, 7) * DAY
    cancelled = placed + dice.between(2, 60) * 60
    unpaid = placed + int(policies(language)["pay_hours"]) * HOUR
    if kind < 5:
        events = [("placed", placed), ("cancelled", cancelled)]
    elif kind < 8:
        events = [("placed", placed), ("cancelled", unpaid)]
    else:
        events = [("placed", placed), ("paid", placed + 60), ("shipped", shipped)]
        events += [("delivered", delivered)] if kind >= 12 else []  # the others are lost
        events += [("returned", back), ("refunded", refunded)] if 12 <= kind < 24 else []
    happened = {status: moment for status, moment in events if moment <= NOW}
    status = list(happened)[-1]
    sent = "shipped" in happened
    carrier, code = dice.one(ticket_phrases().carriers[language]), dice.below(10**9)
    return Order(
        order_id=f"SB-{number_of(customers.seed, row)}",
        user_id=None if guest else user,
        language=language,
        status=status,
        placed=placed,
        shipped=happened.get("shipped"),
        delivered=happened.get("delivered"),
        updated=happened[status],
        carrier=carrier if sent else None,
        tracking=f"{_MARKETS[language][0]}{code:09d}" if sent else None,
        lines=_lines(dice, language),
    )


def _lines(dice: Dice, language: str) -> tuple[Line, ...]:
    words = phrases(language)
    lines: list[Line] = []
    for _ in range(dice.one((1, 1, 1, 2, 2, 3))):
        kind = dice.one(tuple(_PRICES))
        item = dice.one(words.goods[kind])
        name = f"{dice.one(words.colours)}{words.glue or '的'}{item}" if dice.chance(60) else item
        low, high = _PRICES[kind]
        cents = dice.between(low, high) * 100 - dice.one((0, 1, 5, 50))
        cents *= _YUAN if language == "zh" else 1
        if all(name != line.name for line in lines):
            lines.append(Line(name, dice.one((1, 1, 1, 1, 2, 3)), cents))
    return tuple(lines)


def orders(customers: Customers, first: int, count: int) -> pa.Table:
    """Make rows [first, first + count) of `orders`; about 20,000 per second."""
    return tabulated(ORDERS, [_order_row(order(customers, row)) for row in range(first, first + count)])


def order_lines(customers: Customers, first: int, count: int) -> pa.Table:
    """Make the lines of the orders [first, first + count)."""
    made = (order(customers, row) for row in range(first, first + count))
    return tabulated(ORDER_LINES, [row for one in made for row in _line_rows(one)])


def _order_row(one: Order) -> dict[str, object]:
    market, currency = _MARKETS[one.language]
    return {
        "order_id": one.order_id,
        "user_id": one.user_id,
        "status": one.status,
        "market": market,
        "placed_at": one.placed * 1_000_000,
        "shipped_at": None if one.shipped is None else one.shipped * 1_000_000,
        "delivered_at": None if one.delivered is None else one.delivered * 1_000_000,
        "carrier": one.carrier,
        "tracking": one.tracking,
        "total": Decimal(one.cents) / 100,
        "currency": currency,
        "updated_at": one.updated * 1_000_000,
        "source": "sample",
    }


def _line_rows(one: Order) -> list[dict[str, object]]:
    return [
        {
            "order_id": one.order_id,
            "line_number": number,
            "user_id": one.user_id,
            "product_id": None,
            "name": line.name,
            "quantity": line.quantity,
            "unit_price": Decimal(line.cents) / 100,
            "source": "sample",
        }
        for number, line in enumerate(one.lines, 1)
    ]


def tabulated(table: Table, rows: list[dict[str, object]]) -> pa.Table:
    """Make a table of rows; moments are whole microseconds since 1970 UTC."""
    schema = table.schema()
    arrays = [
        pa.array([row[f.name] for row in rows], pa.int64()).cast(f.type)
        if pa.types.is_timestamp(f.type)
        else pa.array([row[f.name] for row in rows], f.type)
        for f in schema
    ]
    return pa.table(arrays, schema=schema)
