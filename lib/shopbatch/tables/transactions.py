"""Declares the source table `transactions`: one row per line of a paid basket.

Filled by `shopbatch sample` or `shopbatch load transactions FILE`.
"""

import pyarrow as pa

from shopbatch.tables.schema import MONEY, PRICE, TIMESTAMP, Column, Person, Table, View

ORDER_STATUS = ("paid", "cancelled", "refunded")

TRANSACTIONS = Table(
    name="transactions",
    meaning="One row per line of a basket, as it was paid.",
    key=("basket_id", "product_id", "line_number"),
    person=Person(user="user_id"),
    latest_by="ingested_at",
    columns=(
        Column("basket_id", pa.string(), "The basket (one till receipt).", nullable=False),
        Column("product_id", pa.string(), "The product bought (products.product_id).", nullable=False),
        Column(
            "line_number",
            pa.int64(),
            "Tells several lines of one product in a basket apart: the till's number of the line, or else 1, 2, ... in "
            "the order of the file. Null counts as 1.",
        ),
        Column(
            "stated_product",
            pa.string(),
            "The code by which the file named the product (a variant's SKU, a barcode); null where that is its id.",
        ),
        Column("user_id", pa.string(), "The buyer (users.user_id); null for a guest.", personal=True),
        Column("store_id", pa.string(), "The shop's branch."),
        Column("quantity", pa.int64(), "Units bought; negative for a return, 0 where only money moved."),
        Column("sales_value", MONEY, "Money the shop received for the line, in the shop's currency."),
        Column("retail_discount", MONEY, "Discount of the loyalty programme on the line, as a positive amount."),
        Column("coupon_discount", MONEY, "Discount of a manufacturer's coupon, as a positive amount."),
        Column("coupon_match_discount", MONEY, "The shop's own match of that coupon, as a positive amount."),
        Column("unit_price", PRICE, "Price of one unit before discounts, in `currency`; null where not given."),
        Column("currency", pa.string(), "ISO 4217 code of the amounts (EUR, CNY, ...); null where the shop has one."),
        Column(
            "order_status",
            pa.string(),
            "paid, cancelled (never paid: the line counts as nothing) or refunded (paid, and all of it given back); "
            "null counts as paid.",
            one_of=ORDER_STATUS,
        ),
        Column("transaction_at", TIMESTAMP, "When it was paid, UTC."),
        Column("ingested_at", TIMESTAMP, "When the row reached this warehouse, UTC; null: when it was paid."),
        Column(
            "source",
            pa.string(),
            "Where the row came from: a sample's name, or the file that was loaded.",
            personal=True,
        ),
    ),
    view=View(("user_id", "quantity", "sales_value", "transaction_at")),
)
