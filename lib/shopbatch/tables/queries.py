"""Declares the source table `queries`: the search queries that `search_products` answers.

Filled by `shopbatch load queries FILE` or `shopbatch sample --source boutique`.
"""

import pyarrow as pa

from shopbatch.tables.schema import TIMESTAMP, Column, Person, Table, View

QUERIES = Table(
    name="queries",
    sample="boutique",
    meaning="One row per query that a search answers.",
    key=("query_id",),
    person=Person(user="user_id"),
    latest_by="asked_at",
    must_have=("query",),
    key_from_content=True,
    columns=(
        Column("query_id", pa.string(), "Name of the query, unique in the shop.", nullable=False),
        Column("query", pa.string(), "What the shopper typed.", free_text=True),
        Column("language", pa.string(), "ISO 639-1 code of the query; null: recognised from its text."),
        Column("filters", pa.string(), "Conditions on products, joined by `;` (`price<50; brand=Acme`); null if none."),
        Column("k", pa.int32(), "Most products of the answer; null: as the job is configured.", between=(1, 1000)),
        Column("user_id", pa.string(), "Who asked (users.user_id); null where unknown.", personal=True),
        Column("asked_at", TIMESTAMP, "When it was asked, UTC; of several rows of a query the latest counts."),
        Column(
            "source",
            pa.string(),
            "Where the row came from: a sample's name, or the file that was loaded.",
            personal=True,
        ),
    ),
    view=View(("query", "language", "filters")),
)
