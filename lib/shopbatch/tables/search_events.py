"""Declares the source table `search_events`: each product that a search showed, and whether it was clicked and bought.

Filled by `shopbatch load search_events FILE`; `judge_by_clicks` learns from it.
"""

import pyarrow as pa

from shopbatch.tables.schema import TIMESTAMP, Column, Person, Table, View

SEARCH_EVENTS = Table(
    name="search_events",
    sample="",
    meaning="One row per product that a search showed, clicked or not.",
    key=("event_id",),
    person=Person(user="user_id"),
    must_have=("query", "product_id", "position"),
    key_from_content=True,
    columns=(
        Column("event_id", pa.string(), "Name of the showing, unique in the shop.", nullable=False),
        Column("query", pa.string(), "What the shopper typed.", free_text=True),
        Column("product_id", pa.string(), "The product that was shown (products.product_id)."),
        Column("position", pa.int64(), "Its place in the list, from 1.", between=(1, 10**6)),
        Column("clicked", pa.bool_(), "Whether it was opened from there; null: no."),
        Column("purchased", pa.bool_(), "Whether it was then bought in the same visit; null: no."),
        Column("session_id", pa.string(), "The visit; null where unknown.", personal=True),
        Column("user_id", pa.string(), "Who searched (users.user_id); null where unknown.", personal=True),
        Column("shown_at", TIMESTAMP, "When it was shown, UTC."),
        Column(
            "source",
            pa.string(),
            "Where the row came from: a sample's name, or the file that was loaded.",
            personal=True,
        ),
    ),
    view=View(("query", "product_id", "position", "clicked", "purchased")),
)
