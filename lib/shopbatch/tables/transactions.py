"""transactions: what was bought. Filled by `shopbatch sample` or `shopbatch load transactions FILE`."""

import pyarrow as pa

from shopbatch.tables.schema import MONEY, TIMESTAMP, Column, Table

TRANSACTIONS = Table(
    name="transactions",
    meaning="One row per product of a basket, as it was paid.",
    key=("basket_id", "product_id"),
    latest_by="ingested_at",
    columns=(
        Column("basket_id", pa.string(), "The basket (one till receipt).", nullable=False),
        Column("product_id", pa.string(), "The product bought (products.product_id).", nullable=False),
        Column("user_id", pa.string(), "The buyer (users.user_id)."),
        Column("store_id", pa.string(), "The shop's branch."),
        Column("quantity", pa.int64(), "Units bought; negative for a return, 0 where only money moved."),
        Column("sales_value", MONEY, "Money the shop received for the line, in the shop's currency."),
        Column("retail_discount", MONEY, "Discount of the loyalty programme on the line, as a positive amount."),
        Column("coupon_discount", MONEY, "Discount of a manufacturer's coupon, as a positive amount."),
        Column("coupon_match_discount", MONEY, "The shop's own match of that coupon, as a positive amount."),
        Column("transaction_at", TIMESTAMP, "When it was paid, UTC."),
        Column("ingested_at", TIMESTAMP, "When the row reached this warehouse, UTC; null: when it was paid."),
        Column("source", pa.string(), "Where the row came from: a sample's name, or the file that was loaded."),
    ),
)
