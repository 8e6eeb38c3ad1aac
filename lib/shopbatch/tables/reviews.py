"""Declares the source table `reviews`: the product reviews that customers wrote.

Filled by `shopbatch sample` or `shopbatch load reviews FILE`.
"""

import pyarrow as pa

from shopbatch.tables.schema import TIMESTAMP, Column, Lookup, Person, Table, View

REVIEWS = Table(
    name="reviews",
    meaning="One row per review that a customer wrote.",
    key=("review_id",),
    person=Person(user="user_id", review="review_id"),
    latest_by="created_at",
    must_have=("text",),
    key_from_content=True,
    columns=(
        Column("review_id", pa.string(), "Name of the review, unique in the shop.", nullable=False, personal=True),
        Column("product_id", pa.string(), "The product reviewed (products.product_id); null where unknown."),
        Column("user_id", pa.string(), "The author (users.user_id); null where unknown.", personal=True),
        Column("title", pa.string(), "Headline of the review; null where there is none.", free_text=True),
        Column("text", pa.string(), "Body of the review, as the customer wrote it.", free_text=True),
        Column("rating", pa.int8(), "Stars, 1 (worst) to 5 (best); null where not given.", between=(1, 5), stars=True),
        Column(
            "label",
            pa.string(),
            "Sentiment stated by the source itself: negative, neutral, positive; else null.",
            one_of=("negative", "neutral", "positive"),
        ),
        Column("language", pa.string(), "ISO 639-1 code stated by the source (en, zh, ...); null where unknown."),
        Column("created_at", TIMESTAMP, "When the review was written, UTC; null where unknown."),
        Column(
            "source",
            pa.string(),
            "Where the row came from: a sample's name, or the file that was loaded.",
            personal=True,
        ),
    ),
    view=View(("rating", "text", "language"), about=Lookup("reviews", "text")),
)
