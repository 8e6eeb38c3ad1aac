"""Customer service in a sample: policies, orders, tickets and examples of intents. Both samples have these tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pyarrow as pa

from shopbatch.sample import orders, tickets
from shopbatch.sample.orders import Customers
from shopbatch.sample.shop_policies import NOTE as POLICIES_NOTE
from shopbatch.sample.shop_policies import policies
from shopbatch.sample.ticket_words import EXAMPLES_NOTE, intent_examples
from shopbatch.tables.orders import ORDER_LINES, ORDERS
from shopbatch.tables.policies import POLICIES
from shopbatch.tables.schema import Table
from shopbatch.tables.tickets import INTENT_EXAMPLES, TICKETS

TABLES = (POLICIES, ORDERS, ORDER_LINES, TICKETS, INTENT_EXAMPLES)
_GENERATED, _WRITTEN = "the generator (seed {seed})", "files of this package"
ORIGINS = {  # where the rows of each table come from, and what is special about them
    POLICIES.name: (_WRITTEN, POLICIES_NOTE),
    ORDERS.name: (_GENERATED, orders.NOTE),
    ORDER_LINES.name: (_GENERATED, "one to three products an order, which are not among the sample's products"),
    TICKETS.name: (_GENERATED, tickets.NOTE),
    INTENT_EXAMPLES.name: (_WRITTEN, EXAMPLES_NOTE),
}
_VERSION = 2  # of the examples; raise it with every change of them


@dataclass(frozen=True)
class Part:
    """One table. make: rows [first, first + count) of `rows`, which are orders in the case of their lines."""

    table: Table
    rows: int
    make: Callable[[int, int], pa.Table]


def parts(customers: Customers, reviews: int | None) -> list[Part]:
    """Return all tables of a sample with so many reviews; None means all reviews."""
    promised, examples = policies(), intent_examples()
    return [
        Part(POLICIES, promised.num_rows, promised.slice),
        Part(ORDERS, customers.orders, partial(orders.orders, customers)),
        Part(ORDER_LINES, customers.orders, partial(orders.order_lines, customers)),
        Part(TICKETS, tickets.count(reviews), partial(tickets.tickets, customers)),
        Part(INTENT_EXAMPLES, examples.num_rows, examples.slice),
    ]


def versions() -> list[object]:
    """What the content of the tables follows from, besides seed and size."""
    return [orders.VERSION, tickets.VERSION, _VERSION, sorted(set(policies()["version"].to_pylist()))]
