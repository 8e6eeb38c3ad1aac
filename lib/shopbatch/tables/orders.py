"""Declares the source tables `orders` (customers' orders with status and delivery) and `order_lines` (their products).

Filled by `shopbatch load` or `shopbatch sample`.
"""

import pyarrow as pa

from shopbatch.tables.schema import MONEY, PRICE, TIMESTAMP, Column, Person, Table, View

ORDER_STATES = ("placed", "paid", "shipped", "delivered", "cancelled", "returned", "refunded")

ORDERS = Table(
    name="orders",
    meaning="One row per order of a customer, as it stands now.",
    key=("order_id",),
    person=Person(user="user_id"),
    latest_by="updated_at",
    must_have=("user_id",),
    merge_rows=True,
    columns=(
        Column(
            "order_id", pa.string(), "Number of the order, as the customer knows it.", nullable=False, personal=True
        ),
        Column("user_id", pa.string(), "Who ordered (users.user_id); null for a guest.", personal=True),
        Column(
            "status",
            pa.string(),
            f"How far it is: {', '.join(ORDER_STATES)}; null where unknown.",
            one_of=ORDER_STATES,
        ),
        Column("market", pa.string(), "The market that it was placed in (US, CN, ...); null where the shop has one."),
        Column("placed_at", TIMESTAMP, "When it was placed, UTC."),
        Column("shipped_at", TIMESTAMP, "When it left the warehouse, UTC; null: not yet."),
        Column("delivered_at", TIMESTAMP, "When it was delivered, UTC; null: not yet."),
        Column("carrier", pa.string(), "Who brings it; null where unknown."),
        Column("tracking", pa.string(), "The carrier's number of the parcel; null where there is none.", personal=True),
        Column("total", MONEY, "What is to be paid for it, in `currency`."),
        Column("currency", pa.string(), "ISO 4217 code of the amounts (USD, CNY, ...)."),
        Column("updated_at", TIMESTAMP, "When the row was last changed, UTC."),
        Column("source", pa.string(), "Where the row came from: a sample's name, or a loaded file.", personal=True),
    ),
    view=View(("user_id", "status", "placed_at", "delivered_at")),
)
ORDER_LINES = Table(
    name="order_lines",
    meaning="One row per product of an order.",
    key=("order_id", "line_number"),
    person=Person(user="user_id"),
    columns=(
        Column("order_id", pa.string(), "The order (orders.order_id).", nullable=False, personal=True),
        Column(
            "line_number", pa.int32(), "Number of the line in the order, from 1 on; of rows without it, their order."
        ),
        Column("user_id", pa.string(), "Who ordered (users.user_id); null for a guest.", personal=True),
        Column("product_id", pa.string(), "The product (products.product_id); null where unknown."),
        Column("name", pa.string(), "What the order calls the product.", personal=True),
        Column("quantity", pa.int64(), "Units ordered."),
        Column("unit_price", PRICE, "Price of one unit, in the order's currency."),
        Column("source", pa.string(), "Where the row came from: a sample's name, or a loaded file.", personal=True),
    ),
    view=View(("name", "quantity", "unit_price")),
)
