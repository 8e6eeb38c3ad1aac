"""Declares the source table `judgements`: graded relevance of products for search queries, by people or a data set.

Filled by `shopbatch load judgements FILE`.
"""

import pyarrow as pa

from shopbatch.tables.schema import Column, Person, Table, View

JUDGEMENTS = Table(
    name="judgements",
    sample="",
    meaning="One row per judgement: how well a product answers a query, as people or a data set say.",
    key=("query", "product_id", "source"),
    must_have=("grade",),
    person=Person(quoted=("query",)),
    columns=(
        Column("query", pa.string(), "What a shopper types.", nullable=False, free_text=True),
        Column("product_id", pa.string(), "The product judged (products.product_id).", nullable=False),
        Column(
            "grade",
            pa.decimal128(9, 4),
            "The gain of showing the product, 0 or above: 0 is of no use, the greatest grade of its source is best.",
            nullable=False,
            between=(0, 1000),
        ),
        Column("language", pa.string(), "ISO 639-1 code of the query; null: recognised from its text."),
        Column(
            "source",
            pa.string(),
            "Who judged: the name of a data set, or the file that was loaded.",
            personal=True,
        ),
    ),
    view=View(("query", "product_id", "grade")),
)
