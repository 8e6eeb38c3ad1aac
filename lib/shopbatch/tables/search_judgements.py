"""Declares the table `search_judgements`: how relevant a product is for a query, estimated from clicks.

`judge_by_clicks` publishes it.
"""

import pyarrow as pa

from shopbatch.tables.schema import Column, Person, Table, View

CLICKS = "clicks"  # the only value of the column `source`

SEARCH_JUDGEMENTS = Table(
    name="search_judgements",
    meaning="One row per query and product that shoppers looked at often enough: how well the product answers it, "
    "learnt from clicks and corrected for its place. Published by judge_by_clicks; never mixed with `judgements`.",
    key=("query", "product_id", "source"),
    person=Person(quoted=("query",)),
    columns=(
        Column("query", pa.string(), "What shoppers type, in small letters.", nullable=False, free_text=True),
        Column("product_id", pa.string(), "The product (products.product_id).", nullable=False),
        Column(
            "grade",
            pa.decimal128(9, 4),
            "The gain of showing the product, 0 to 1: `attraction`, and what buying adds; 0 below `least_attraction`.",
            nullable=False,
        ),
        Column("language", pa.string(), "ISO 639-1 code of the query; null: recognised from its text."),
        Column("source", pa.string(), f"Who judged: always `{CLICKS}`.", nullable=False),
        Column("attraction", pa.float64(), "Probability of a click where the product is looked at.", nullable=False),
        Column("looks", pa.float64(), "How often it was looked at, as its places let one expect.", nullable=False),
        Column("shown", pa.int64(), "Visits that it was shown in, counted by place.", nullable=False),
        Column("clicked", pa.int64(), "Those in which it was clicked.", nullable=False),
        Column("purchased", pa.int64(), "Those in which it was bought after the click.", nullable=False),
        Column("run_id", pa.string(), "The run that judged.", nullable=False, machinery=True),
    ),
    job="judge_by_clicks",
    view=View(("query", "product_id", "grade", "shown", "clicked")),
)
