"""Declares the table `product_aspects`: what reviews say about each aspect of a product or category, over time.

`summarise_reviews` publishes counts, the share of negative mentions, its changes between windows of time, and quotes.
"""

import pyarrow as pa

from shopbatch.tables.review_aspects import REMARKS
from shopbatch.tables.schema import TEXT_LIST, Column, Person, Table, View

METHODS = ("prediction-powered", "corrected", "predictions")
LEVELS = ("product", "category", "all")
SATISFACTION = "satisfaction"  # value of `aspect` in rows about the reviews as a whole
EVERY = "all"  # value of `window` in rows about all reviews, also those without a date

PRODUCT_ASPECTS = Table(
    name="product_aspects",
    meaning="One row per product or category, aspect and window of time. Published by summarise_reviews.",
    key=("level", "name", "aspect", "window"),
    person=Person(quoted=("quotes", "praise")),
    columns=(
        Column("level", pa.string(), f"What is summed up: {', '.join(LEVELS)}.", nullable=False, one_of=LEVELS),
        Column("name", pa.string(), "The product (products.product_id) or category; empty for all.", nullable=False),
        Column(
            "aspect",
            pa.string(),
            f"The aspect of the taxonomy; {SATISFACTION}: the reviews as a whole; {', '.join(REMARKS)}: such remarks.",
            nullable=False,
        ),
        Column(
            "window",
            pa.string(),
            "The window of time: its first day, such as 2026-06-01; all: every review, also those without a date.",
            nullable=False,
        ),
        Column("window_start", pa.date32(), "First day of the window; null for all."),
        Column("window_end", pa.date32(), "Last day of the window; null for all."),
        Column("reviews", pa.int64(), "Reviews of the product or category in the window.", nullable=False),
        Column(
            "mentions",
            pa.int64(),
            f"Reviews in which the aspect was found; for {SATISFACTION} those with a sentiment.",
            nullable=False,
        ),
        Column("negatives", pa.int64(), "Of these, the ones found to say something negative about it.", nullable=False),
        Column("positives", pa.int64(), "Of these, the ones found to say something positive about it.", nullable=False),
        Column(
            "share_negative",
            pa.float64(),
            "Estimated share of the mentions that say something negative, 0 to 1; null: too few, or a remark.",
        ),
        Column("low", pa.float64(), "Lower end of its 95 % interval."),
        Column("high", pa.float64(), "Upper end of its 95 % interval."),
        Column(
            "method",
            pa.string(),
            "How it was estimated: prediction-powered (by labels of these reviews), corrected (by the error rates that "
            "labels of other reviews show), predictions (raw counts: the interval leaves out the classifier's errors).",
            nullable=False,
            one_of=METHODS,
        ),
        Column("labels", pa.int64(), "Labelled mentions that the estimate rests on.", nullable=False),
        Column(
            "rating",
            pa.float64(),
            f"Mean stars of the reviews with the aspect, for {SATISFACTION} of all; null where none are given.",
        ),
        Column(
            "apart",
            pa.int64(),
            f"Reviews whose stars and text part: 1 or 2 stars and a positive sentiment, or 4 or 5 and a negative one; "
            f"null but for {SATISFACTION}.",
        ),
        Column("change", pa.float64(), "Change of share_negative against the window before; null where there is none."),
        Column(
            "p_value",
            pa.float64(),
            "Probability of such a change of the counts by chance alone (Fisher's exact test); null where too few.",
        ),
        Column(
            "alarm", pa.bool_(), "Whether the change stands out after correction for all comparisons.", nullable=False
        ),
        Column(
            "quotes",
            TEXT_LIST,
            "Reviews to quote (reviews.review_id) that say something negative, or remark it; the clearest first.",
            nullable=False,
            personal=True,
        ),
        Column(
            "praise",
            TEXT_LIST,
            "Reviews to quote (reviews.review_id) that say something positive; the clearest first.",
            nullable=False,
            personal=True,
        ),
        Column(
            "recipe", pa.string(), "Recipe of the review_aspects that were summed up.", nullable=False, machinery=True
        ),
        Column("run_id", pa.string(), "The run that wrote the row.", nullable=False, machinery=True),
    ),
    job="summarise_reviews",
    view=View(("share_negative", "mentions", "alarm", "change")),
)
