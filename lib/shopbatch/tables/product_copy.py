"""Declares the source table `product_copy`: example products with good copy that states only their facts.

Filled by `shopbatch sample`, `shopbatch load` or `shopbatch review`; models learn to write copy from it.
"""

import pyarrow as pa

from shopbatch.tables.schema import Column, Nobody, Table

PRODUCT_COPY = Table(
    name="product_copy",
    meaning="One row per example of good copy: what is known of a product, and what is said of it.",
    key=("copy_id",),
    person=Nobody("Copy describes goods."),
    must_have=("attributes", "copy"),
    key_from_content=True,
    columns=(
        Column("copy_id", pa.string(), "Name of the example, made from its content.", nullable=False),
        Column("attributes", pa.string(), "What a model is given: the fenced block of attributes.", nullable=False),
        Column("copy", pa.string(), "JSON on one line: headline, description, bullets.", nullable=False),
        Column("language", pa.string(), "ISO 639-1 code of the copy (en, ...); null where unknown."),
        Column(
            "product_type", pa.string(), "Kind of product, to split by (products.product_type); null where unknown."
        ),
        Column(
            "source",
            pa.string(),
            "Where it comes from: catalogue, invented, or review (read by a person); null where unknown.",
        ),
    ),
)
