"""Declares the source table `events`: views, carts, searches of users, and invitations sent to them; no purchases.

Filled by `shopbatch sample --source generated` or `shopbatch load events`.
"""

import pyarrow as pa

from shopbatch.tables.schema import TEXT_LIST, TIMESTAMP, Column, Person, Table

EVENTS = Table(
    name="events",
    sample="generated",
    meaning="One row per thing that a user did in the shop, or that was done to reach the user.",
    key=("event_id",),
    person=Person(user="user_id"),
    latest_by="ingested_at",
    must_have=("event_type",),
    key_from_content=True,
    columns=(
        Column("event_id", pa.string(), "Name of the event, unique in the shop.", nullable=False),
        Column("user_id", pa.string(), "Who (users.user_id).", personal=True),
        Column(
            "event_type",
            pa.string(),
            "view (of a product), cart (put into it), search, or invitation (to buy, sent to the user).",
            one_of=("view", "cart", "search", "invitation"),
        ),
        Column("product_id", pa.string(), "The product (products.product_id); null where none is meant."),
        Column("query", pa.string(), "What was searched for, as it was typed; null if nothing was.", free_text=True),
        Column("results_shown", TEXT_LIST, "Products (products.product_id) that were shown, the first one first."),
        Column("position", pa.int64(), "Place of `product_id` in the list shown, from 1.", between=(1, 10**6)),
        Column("session_id", pa.string(), "The visit that the event belongs to; null where unknown.", personal=True),
        Column("channel", pa.string(), "Where it happened (web, app, email, store, ...); null where unknown."),
        Column("event_time", TIMESTAMP, "When it happened, UTC."),
        Column("ingested_at", TIMESTAMP, "When the row reached this warehouse, UTC; null: when it happened."),
        Column(
            "source",
            pa.string(),
            "Where the row came from: a sample's name, or the file that was loaded.",
            personal=True,
        ),
    ),
)
