"""Generates `orders` and `order_lines` of a sample's users, with consistent dates, states and amounts.

The real and the generated sample use it. Row i is a function of (seed, i), so rows can be generated in any order. All
orders are in the state that they have at `NOW`. The ordered products are those of the dialogs
(dialog_phrases_*.yaml), not those of the catalogue; amounts follow the shop's policies.
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

VERSION = 1  # version of the generator; raise it with every change of the generated rows
ROWS = 900  # number of orders; a sample with fewer reviews has as many orders as reviews
NUMBERS = 900_000  # number of order numbers with six digits
NOW = START + YEARS * 365 * 86_400  # seconds since 1970 UTC
HOUR, DAY = 3_600, 86_400
NOTE = "invented goods; the last 120 days before 2024-12-31, as they stand then; one in 16 is a guest's"
_YUAN = 7  # yuan per dollar
_MARKETS = {"en": ("US", "USD"), "zh": ("CN", "CNY")}
_PRICES = {"worn": (8, 70), "device": (12, 110), "other": (4, 60)}  # price range in dollars by type of product
_PRIME = 7_919  # step between the numbers of neighbouring orders


@dataclass(frozen=True)
class Customers:
    """The users of a sample as customers who place orders and write tickets.

    Attributes:
        seed: Seed of all random draws.
        count: Number of users.
        orders: Number of orders.
        customer: Returns (user id, language en or zh) of the user with a number from 0 to count - 1.
    """

    seed: int
    count: int
    orders: int
    customer: Callable[[int], tuple[str, str]]

    def __hash__(self) -> int:
        return hash((self.seed, self.count, self.orders))


@dataclass(frozen=True)
class Line:
    """One product of an order.

    Attributes:
        name: Name of the product.
        quantity: Units.
        cents: Price of one unit in cents.
    """

    name: str
    quantity: int
    cents: int


@dataclass(frozen=True)
class Order:
    """An order in its state at `NOW`. Times are seconds since 1970 UTC; None: has not happened yet."""

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
        """The total of the order in cents: products and delivery cost.

        Delivery is free from the amount in the policies (`free_over`) on.
        """
        promised = policies(self.language)
        goods = sum(line.quantity * line.cents for line in self.lines)
        return goods + (0 if goods >= 100 * int(promised["free_over"]) else int(Decimal(promised["ship_cost"]) * 100))


def count(reviews: int | None) -> int:
    """Return the number of orders for a sample of `reviews` reviews: one per review, at most `ROWS`.

    `ROWS` if `reviews` is None (a sample with all reviews).
    """
    return ROWS if reviews is None else min(ROWS, reviews)


def number_of(seed: int, row: int) -> str:
    """Return the order number of a row, six digits ("482917"); different for all rows below `NUMBERS`."""
    return str(100_000 + (row * _PRIME + Dice(seed, "order number", 0).below(NUMBERS)) % NUMBERS)


@lru_cache(maxsize=4_096)
def order(customers: Customers, row: int) -> Order:
    """Return the order with this row number."""
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
        events += [("delivered", delivered)] if kind >= 12 else []  # parcels of the other orders get lost
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
    """Return rows [first, first + count) of `orders`; about 20,000 per second."""
    return tabulated(ORDERS, [_order_row(order(customers, row)) for row in range(first, first + count)])


def order_lines(customers: Customers, first: int, count: int) -> pa.Table:
    """Return the rows of `order_lines` that belong to the orders [first, first + count)."""
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
    """Convert row dictionaries into an Arrow table with the schema of `table`.

    Args:
        table: The declared table.
        rows: A dictionary per row with all columns; timestamps are whole microseconds since 1970 UTC.
    """
    schema = table.schema()
    arrays = [
        pa.array([row[f.name] for row in rows], pa.int64()).cast(f.type)
        if pa.types.is_timestamp(f.type)
        else pa.array([row[f.name] for row in rows], f.type)
        for f in schema
    ]
    return pa.table(arrays, schema=schema)
