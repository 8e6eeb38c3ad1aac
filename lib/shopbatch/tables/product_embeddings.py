"""Declares `product_embeddings`, the products and vectors that search uses, and `product_embeddings_rejects`.

`embed_products` publishes them; the rejects say why a product cannot be found by search.
"""

from dataclasses import replace

import pyarrow as pa

from shopbatch.tables.products import PRODUCTS
from shopbatch.tables.published import VECTOR, provenance, rejects_of
from shopbatch.tables.schema import Column, Nobody, Table, View

# Columns that search shows and filters by, copied from `products`. If one changes, the vector is computed again only
# if the encoder reads that column.
CATALOGUE = (
    *("title", "brand", "division", "department", "category", "product_type", "package_size", "description"),
    *("price", "sale_price", "currency", "availability", "attributes", "tags", "item_group_id", "market"),
)
_COLUMNS = {column.name: column for column in PRODUCTS.columns}

PRODUCT_EMBEDDINGS = Table(
    name="product_embeddings",
    meaning="One row per product that can be found: its vector and what a search filters by. Published by "
    "embed_products, in one commit with the index of the same rows.",
    key=("product_id",),
    person=Nobody("It describes goods, as the catalogue does."),
    columns=(
        Column("product_id", pa.string(), "The product (products.product_id).", nullable=False),
        Column(
            "language", pa.string(), "ISO 639-1 code: the catalogue's, else recognised from the texts; und = unknown."
        ),
        *(replace(_COLUMNS[name], between=None, one_of=()) for name in CATALOGUE),
        *VECTOR,
        *provenance("the columns that the encoder reads", "the vector (model, engine, ...)", "it was computed"),
    ),
    job="embed_products",
    view=View(("title", "brand", "category", "price")),
)
PRODUCT_EMBEDDINGS_REJECTS = rejects_of(
    PRODUCT_EMBEDDINGS,
    "One row per product without a vector, with its reason. Published by embed_products.",
    "no_key, duplicate_key, empty, too_long, invalid_utf8",
)
