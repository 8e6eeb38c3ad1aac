"""Declares `review_sentiment`, the sentiment that `score_reviews` predicts for each review, and its rejects.

`review_sentiment_rejects` says why a review has no sentiment.
"""

import pyarrow as pa

from shopbatch.tables.published import provenance, rejects_of
from shopbatch.tables.schema import Column, Lookup, Person, Table, View

REVIEW_SENTIMENT = Table(
    name="review_sentiment",
    meaning="One row per review that could be scored: its calibrated sentiment. Published by score_reviews.",
    key=("review_id",),
    person=Person(review="review_id", hashes=("content_hash",), hashed=("title", "text")),
    columns=(
        Column("review_id", pa.string(), "The review (reviews.review_id).", nullable=False, personal=True),
        Column("product_id", pa.string(), "The product reviewed (products.product_id); null where unknown."),
        Column(
            "language", pa.string(), "ISO 639-1 code: the source's, else recognised from title and text; und = unknown."
        ),
        Column("label", pa.string(), "The most probable of negative, neutral, positive.", nullable=False),
        Column("p_negative", pa.float32(), "Calibrated probability of negative, 0 to 1.", nullable=False),
        Column("p_neutral", pa.float32(), "Calibrated probability of neutral, 0 to 1.", nullable=False),
        Column("p_positive", pa.float32(), "Calibrated probability of positive, 0 to 1.", nullable=False),
        Column("answered_by", pa.string(), "The model of a cascade that answered (name@digest); null without one."),
        *provenance("the scored columns", "a score (model, engine, ...)", "the score was computed"),
    ),
    job="score_reviews",
    view=View(
        ("label", "probability", "text", "language"), label="label", probabilities="p_", about=Lookup("reviews", "text")
    ),
)

REVIEW_SENTIMENT_REJECTS = rejects_of(
    REVIEW_SENTIMENT,
    "One row per source row that has no score, with its reason. Published by score_reviews.",
    "no_key, duplicate_key, empty, too_long, crash",
)
