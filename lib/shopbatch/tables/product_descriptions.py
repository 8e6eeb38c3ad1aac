"""Declares `product_descriptions`, the copy that `describe_products` publishes, and `product_descriptions_rejects`.

The rejects say why a product has no copy in a language.
"""

import pyarrow as pa

from shopbatch.tables.published import provenance, rejects_of
from shopbatch.tables.schema import Column, Lookup, Nobody, Table, View

PRODUCT_DESCRIPTIONS = Table(
    name="product_descriptions",
    meaning="One row per product and language with copy that passed all checks. Published by describe_products.",
    key=("product_id", "language"),
    person=Nobody("Copy describes goods, from what the catalogue says of them."),
    partition_by=("language",),
    columns=(
        Column("product_id", pa.string(), "The product (products.product_id).", nullable=False),
        Column("language", pa.string(), "ISO 639-1 code of the copy (en, zh, ...).", nullable=False),
        Column("department", pa.string(), "The product's department when the copy was published; null if none."),
        Column("headline", pa.string(), "One line that names the product.", nullable=False),
        Column("description", pa.string(), "Two or three sentences.", nullable=False),
        Column("bullets", pa.list_(pa.string()), "Two to four short facts.", nullable=False),
        Column("meta_description", pa.string(), "What search engines show below the link; null if none was written."),
        Column("writer", pa.string(), "Who wrote it: plan, model, repaired (a model, at the second time), or review."),
        Column(
            "evidence", pa.string(), "JSON: attribute -> the words of the copy that say it, or null.", nullable=False
        ),
        Column("coverage", pa.float32(), "Share of the product's attributes that the copy mentions, 0 to 1."),
        Column("tokens_in", pa.int32(), "Tokens of the prompt.", nullable=False),
        Column("tokens_out", pa.int32(), "Tokens of the answer.", nullable=False),
        *provenance("the attributes", "the text (model, prompt, ...)", "the text was written", "wrote it"),
    ),
    job="describe_products",
    view=View(("headline",), about=Lookup("products", "title")),
)

PRODUCT_DESCRIPTIONS_REJECTS = rejects_of(
    PRODUCT_DESCRIPTIONS,
    "One row per product and language without copy, with its reason. Published by describe_products.",
    "empty, foreign_facts, invalid_json, ungrounded_size, leaked_prompt, refused_by_reviewer",
    {"language": "ISO 639-1 code of the copy that is missing."},
)
