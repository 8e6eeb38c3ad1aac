"""The customer service tables of the real and the generated sample: policies, orders, tickets and intent examples."""

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
ORIGINS = {  # {table: (origin of its rows, remark)}
    POLICIES.name: (_WRITTEN, POLICIES_NOTE),
    ORDERS.name: (_GENERATED, orders.NOTE),
    ORDER_LINES.name: (_GENERATED, "one to three products an order, which are not among the sample's products"),
    TICKETS.name: (_GENERATED, tickets.NOTE),
    INTENT_EXAMPLES.name: (_WRITTEN, EXAMPLES_NOTE),
}
_VERSION = 2  # version of the examples; raise it with every change of them


@dataclass(frozen=True)
class Part:
    """One table of the customer service and the function that generates it.

    Attributes:
        table: The table.
        rows: Number of rows to request; for `order_lines`, the number of orders.
        make: Returns the rows [first, first + count), or the lines of these orders.
    """

    table: Table
    rows: int
    make: Callable[[int, int], pa.Table]


def parts(customers: Customers, reviews: int | None) -> list[Part]:
    """Return all customer service tables of a sample, each with the function that generates its rows.

    Args:
        customers: The users of the sample.
        reviews: Number of reviews of the sample, which limits the number of tickets; None means all reviews.
    """
    promised, examples = policies(), intent_examples()
    return [
        Part(POLICIES, promised.num_rows, promised.slice),
        Part(ORDERS, customers.orders, partial(orders.orders, customers)),
        Part(ORDER_LINES, customers.orders, partial(orders.order_lines, customers)),
        Part(TICKETS, tickets.count(reviews), partial(tickets.tickets, customers)),
        Part(INTENT_EXAMPLES, examples.num_rows, examples.slice),
    ]


def versions() -> list[object]:
    """Return the versions of the generators and policies.

    They are part of the identifier of a sample's content, so that a new version fills the tables anew.
    """
    return [orders.VERSION, tickets.VERSION, _VERSION, sorted(set(policies()["version"].to_pylist()))]
