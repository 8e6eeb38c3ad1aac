"""Declares the table `user_sequences`: each user's purchases, carts, views and returns of products by day.

`build_user_sequences` publishes it; recommender models learn from it.
"""

import pyarrow as pa

from shopbatch.tables.schema import TEXT_LIST, Column, Person, Table

PURCHASE, CART, VIEW, RETURN = 1, 2, 3, 4  # values of `actions`

USER_SEQUENCES = Table(
    name="user_sequences",
    job="build_user_sequences",
    meaning="One row per user with a purchase, a return, or a product that was viewed or put into the cart.",
    key=("user_id",),
    person=Person(user="user_id"),
    columns=(
        Column("user_id", pa.string(), "The user (users.user_id).", nullable=False, personal=True),
        Column("products", TEXT_LIST, "Products (products.product_id), those of the newest day last.", nullable=False),
        Column(
            "days",
            pa.list_(pa.date32()),
            "The day of each entry of `products`, in the shop's time zone. Entries of one day are in no order of time.",
            nullable=False,
        ),
        Column(
            "actions",
            pa.list_(pa.int8()),
            "What the user did with each entry of `products`: 1 bought it, 2 put it into the cart, 3 viewed it, "
            "4 gave some of it back.",
            nullable=False,
        ),
        Column(
            "dropped",
            pa.int64(),
            "Number of older entries that are left out, because only the newest ones are kept.",
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
