"""events: what users did without buying. Filled by `shopbatch sample --source generated` or `shopbatch load events`."""

import pyarrow as pa

from shopbatch.tables.schema import TIMESTAMP, Column, Table

EVENTS = Table(
    name="events",
    meaning="One row per thing that a user did in the shop, or that was done to reach the user.",
    key=("event_id",),
    latest_by="ingested_at",
    columns=(
        Column("event_id", pa.string(), "Name of the event, unique in the shop.", nullable=False),
        Column("user_id", pa.string(), "Who (users.user_id)."),
        Column(
            "event_type",
            pa.string(),
            "view (of a product), cart (put into it), search, or invitation (to buy, sent to the user).",
            one_of=("view", "cart", "search", "invitation"),
        ),
        Column("product_id", pa.string(), "The product (products.product_id); null where none is meant."),
        Column("event_time", TIMESTAMP, "When it happened, UTC."),
        Column("ingested_at", TIMESTAMP, "When the row reached this warehouse, UTC; null: when it happened."),
        Column("source", pa.string(), "Where the row came from: a sample's name, or the file that was loaded."),
    ),
)
