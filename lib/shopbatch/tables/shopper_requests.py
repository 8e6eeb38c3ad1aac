"""Declares the source table `shopper_requests`: what shoppers ask for in their own words, answered by `guide_shoppers`.

Filled by `shopbatch load shopper_requests FILE` or `shopbatch sample --source boutique`.
"""

import pyarrow as pa

from shopbatch.tables.schema import TIMESTAMP, Column, Person, Table, View

SHOPPER_REQUESTS = Table(
    name="shopper_requests",
    sample="boutique",
    meaning="One row per request of a shopper for advice: what is wanted, in the shopper's words.",
    key=("request_id",),
    person=Person(user="user_id"),
    latest_by="asked_at",
    must_have=("text",),
    key_from_content=True,
    columns=(
        Column("request_id", pa.string(), "Name of the request, unique in the shop.", nullable=False),
        Column("text", pa.string(), "What the shopper wrote.", free_text=True),
        Column("user_id", pa.string(), "Who asked (users.user_id); null where unknown.", personal=True),
        Column("language", pa.string(), "ISO 639-1 code of the request; null: recognised from its text."),
        Column("asked_at", TIMESTAMP, "When it was asked, UTC; of several rows of a request the latest counts."),
        Column(
            "source",
            pa.string(),
            "Where the row came from: a sample's name, or the file that was loaded.",
            personal=True,
        ),
    ),
    view=View(("text", "language")),
)
