"""product_aspects: how often an aspect of a product is mentioned, how, and since when."""

import pyarrow as pa

from shopbatch.tables.schema import TEXT_LIST, Column, Person, Table, View

METHODS = ("prediction-powered", "corrected", "predictions")

PRODUCT_ASPECTS = Table(
    name="product_aspects",
    meaning="One row per product or category, aspect and window of time. Published by summarise_reviews.",
    key=("level", "name", "aspect", "window_start"),
    person=Person(quoted=("quotes",)),
    columns=(
        Column("level", pa.string(), "What is summed up: product, category, or all.", nullable=False),
        Column("name", pa.string(), "The product (products.product_id) or category; empty for all.", nullable=False),
        Column(
            "aspect", pa.string(), "The aspect of the taxonomy; `satisfaction`: the reviews as a whole.", nullable=False
        ),
        Column("window_start", pa.date32(), "First day of the window.", nullable=False),
        Column("window_end", pa.date32(), "Last day of the window.", nullable=False),
        Column("reviews", pa.int64(), "Reviews of the product in the window.", nullable=False),
        Column("mentions", pa.int64(), "Reviews that mention the aspect.", nullable=False),
        Column("negatives", pa.int64(), "Of these, the ones that say something negative about it.", nullable=False),
        Column(
            "share_negative", pa.float64(), "Estimated share of the mentions that are negative, 0 to 1; null: too few."
        ),
        Column("low", pa.float64(), "Lower end of its 95 % interval."),
        Column("high", pa.float64(), "Upper end of its 95 % interval."),
        Column("method", pa.string(), f"How it was estimated: {', '.join(METHODS)}.", nullable=False, one_of=METHODS),
        Column("rating", pa.float64(), "Mean stars of these reviews; null where none are given."),
        Column("change", pa.float64(), "Change of share_negative against the window before; null where there is none."),
        Column("p_value", pa.float64(), "Probability of such a change by chance alone; null where there is none."),
        Column(
            "alarm", pa.bool_(), "Whether the change stands out after correction for all comparisons.", nullable=False
        ),
        Column("quotes", TEXT_LIST, "Reviews to quote (reviews.review_id), the clearest first.", nullable=False),
        Column(
            "recipe", pa.string(), "Recipe of the review_aspects that were summed up.", nullable=False, machinery=True
        ),
        Column("run_id", pa.string(), "The run that wrote the row.", nullable=False, machinery=True),
    ),
    job="summarise_reviews",
    view=View(("share_negative", "mentions", "change", "alarm")),
)
