"""Declares the table `copy_reviews`: a reviewer's verdicts (accept, edit, refuse) on texts of `product_descriptions`.

`shopbatch review` writes it; `describe_products` applies the verdicts in its next run.
"""

import pyarrow as pa

from shopbatch.tables.schema import TIMESTAMP, Column, Lookup, Person, Table, View

VERDICTS = ("accept", "edit", "refuse")

COPY_REVIEWS = Table(
    name="copy_reviews",
    meaning="One row per verdict on a text of product_descriptions; the latest verdict on a text counts.",
    key=("product_id", "language", "text_digest"),
    person=Person(quoted=("reason",)),
    latest_by="reviewed_at",
    columns=(
        Column("product_id", pa.string(), "The product (products.product_id).", nullable=False),
        Column("language", pa.string(), "ISO 639-1 code of the copy (en, zh, ...).", nullable=False),
        Column(
            "text_digest",
            pa.string(),
            "Digest of the product, the language and the text that was read.",
            nullable=False,
        ),
        Column(
            "content_hash",
            pa.string(),
            "128-bit hash of what was known of the product, 32 hex digits (product_descriptions.content_hash).",
            nullable=False,
            machinery=True,
        ),
        Column("attributes", pa.string(), "What was known of the product: the fenced block of it.", nullable=False),
        Column("verdict", pa.string(), f"What the reviewer said: {', '.join(VERDICTS)}.", False, one_of=VERDICTS),
        Column("headline", pa.string(), "Headline of the text: the new one of an edit.", nullable=False),
        Column("description", pa.string(), "Description of the text: the new one of an edit.", nullable=False),
        Column("bullets", pa.list_(pa.string()), "Bullets of the text: the new ones of an edit.", nullable=False),
        Column("meta_description", pa.string(), "Meta description: the new one of an edit; null if there is none."),
        Column("reason", pa.string(), "Why, in the reviewer's words; null if nothing was said.", free_text=True),
        Column("trusted", pa.bool_(), "Whether an edit may say what the product's facts do not back.", nullable=False),
        Column("reviewed_at", TIMESTAMP, "When the verdict was loaded, UTC.", nullable=False),
    ),
    command="review product_descriptions --load FILE",
    view=View(("verdict", "headline", "reason"), about=Lookup("products", "title")),
)
