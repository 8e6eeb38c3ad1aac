"""Declares the table `product_neighbours`: the products that are often bought with or after a product.

`train_recommender` publishes up to two rows per product: `together` lists the products bought by the same user on the
same day, `next` those bought on one of the user's next days of purchase.
"""

import pyarrow as pa

from shopbatch.tables.schema import TEXT_LIST, Column, Nobody, Table, View

NEXT, TOGETHER = "next", "together"  # values of `kind`

PRODUCT_NEIGHBOURS = Table(
    name="product_neighbours",
    job="train_recommender",
    meaning="One row per product and kind of neighbours: the products often bought on the same day, or next.",
    key=("product_id", "kind"),
    person=Nobody("A row counts how often many users bought two products, and names none of them."),
    view=View(first=("neighbours",)),
    columns=(
        Column("product_id", pa.string(), "The product (products.product_id).", nullable=False),
        Column(
            "kind",
            pa.string(),
            "together: bought by the same user on the same day; next: bought by the same user on one of the next days "
            "of purchase.",
            nullable=False,
            one_of=(NEXT, TOGETHER),
        ),
        Column(
            "neighbours", TEXT_LIST, "The other products (products.product_id), the best one first.", nullable=False
        ),
        Column(
            "weights",
            pa.list_(pa.float32()),
            "The weight of each entry of `neighbours`, above 0: how often it occurs, set against how often both are "
            "bought. Weights of one kind can be compared.",
            nullable=False,
        ),
        Column(
            "run_id",
            pa.string(),
            "The run that computed the row (its report is under _runs/).",
            nullable=False,
            machinery=True,
        ),
    ),
)
