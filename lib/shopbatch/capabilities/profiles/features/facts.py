"""Source rows -> facts: the columns that the tiles need, and the reason why a row does not count.

Several facts may share a key; `ranked` decides which one counts. The rule looks only at values, never at a row's
place, so it does not matter when or in which file a row arrived. A cancelled fact competes with the others of its key:
if it is the one that counts, then nothing of that key does.
"""

from __future__ import annotations

from functools import reduce

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from shopbatch.capabilities.profiles.features.expressions import has_day, money
from shopbatch.capabilities.profiles.features.ids import is_blank, trimmed
from shopbatch.tables.transactions import ORDER_STATUS

# Nobody sells more of a product at once, even where units are thousandths. A barcode in the wrong column (8 digits or
# more) lies above this limit, and the squares of 90,000 such baskets of one user still add up to less than 2^63.
MAX_UNITS = 10_000_000

# The columns that make up a transaction and an event here. Of several facts with one key the greatest counts:
# by `ingested_at`, then by the other columns in this order.
TRANSACTION = (
    "ingested_at", "transaction_at", "status", "user_id", "quantity", "sales_cents", "retail_cents", "coupon_cents",
    "basket_id", "product_id", "line_number",
)  # fmt: skip
PAID, REFUNDED, CANCELLED = range(3)  # values of `status`: of facts of one moment the greatest counts
_STATUS = {"paid": PAID, "refunded": REFUNDED, "cancelled": CANCELLED}
assert set(_STATUS) == set(ORDER_STATUS)
EVENT = ("ingested_at", "event_time", "user_id", "event_type", "product_id", "event_id")


def transactions(rows: DataFrame) -> DataFrame:
    """Turn rows of `transactions` into the TRANSACTION columns and `reason` (null: the row is valid)."""
    return rows.select(
        F.coalesce("ingested_at", "transaction_at").alias("ingested_at"),
        "transaction_at",
        _status("order_status").alias("status"),
        trimmed("user_id").alias("user_id"),
        "quantity",
        _cents("sales_value").alias("sales_cents"),
        F.coalesce(_cents("retail_discount"), F.lit(0)).alias("retail_cents"),
        (F.coalesce(_cents("coupon_discount"), F.lit(0)) + F.coalesce(_cents("coupon_match_discount"), F.lit(0))).alias(
            "coupon_cents"
        ),
        "basket_id",
        trimmed("product_id").alias("product_id"),
        F.coalesce("line_number", F.lit(1)).alias("line_number"),
        _first(
            no_key=is_blank("basket_id") | is_blank("product_id"),
            # What a cancelled line lacks does not matter: it need not be paid, nor have a moment, to be cancelled.
            cancelled=F.coalesce(_status("order_status") == CANCELLED, F.lit(False)),
            no_status=_status("order_status").isNull(),
            no_user=is_blank("user_id"),
            no_time=~has_day("transaction_at"),
            no_quantity=~F.coalesce(F.col("quantity").between(-MAX_UNITS, MAX_UNITS), F.lit(False)),
            no_amount=F.col("sales_value").isNull(),
        ).alias("reason"),
    )


def events(rows: DataFrame) -> DataFrame:
    """Turn rows of `events` into the EVENT columns and `reason` (null: the row is valid)."""
    return rows.select(
        F.coalesce("ingested_at", "event_time").alias("ingested_at"),
        "event_time",
        trimmed("user_id").alias("user_id"),
        "event_type",
        F.when(~is_blank("product_id"), trimmed("product_id")).alias("product_id"),
        "event_id",
        _first(
            no_key=is_blank("event_id"),
            no_user=is_blank("user_id"),
            no_time=~has_day("event_time"),
            no_type=~F.coalesce(F.col("event_type").isin("view", "cart", "search", "invitation"), F.lit(False)),
        ).alias("reason"),
    )


def is_purchase() -> Column:
    """Return whether a TRANSACTION fact is a purchase; it is a return if its quantity or its money is below 0."""
    return (F.col("quantity") >= 0) & (F.col("sales_cents") >= 0)


def is_refunded() -> Column:
    """Return whether a TRANSACTION fact is a purchase that was given back as a whole."""
    return is_purchase() & (F.col("status") == REFUNDED)


def net_cents() -> Column:
    """Return the cents that a TRANSACTION fact leaves with the shop: those of a refunded purchase are 0."""
    return F.when(is_refunded(), F.lit(0)).otherwise(F.coalesce("sales_cents", F.lit(0)))


def ranked(facts: DataFrame, key: tuple[str, ...], identity: tuple[str, ...]) -> DataFrame:
    """Return the distinct facts with `copies` (the number of equal ones) and `rank` (1: the one that counts)."""
    distinct = facts.repartition(*key).groupBy(*identity).agg(F.count(F.lit(1)).alias("copies"))
    order = Window.partitionBy(*key).orderBy(*(F.col(c).desc_nulls_last() for c in identity if c not in key))
    return distinct.withColumn("rank", F.row_number().over(order))


def repeated(ranks: DataFrame, identity: tuple[str, ...]) -> DataFrame:
    """Return the facts in the result of `ranked` that do not count, with `reason` and `rows` (how many rows)."""
    first = F.col("rank") == 1
    rows = F.when(first, F.col("copies") - 1).otherwise(F.col("copies"))
    reason = F.when(first, F.lit("repeated")).otherwise(F.lit("superseded"))
    return ranks.select(*identity, reason.alias("reason"), rows.alias("rows")).where("rows > 0")


def to_transaction_rejects(rejects: DataFrame) -> DataFrame:
    """Turn TRANSACTION columns, reason and rows into the columns of transactions_rejects."""
    return rejects.select(
        "basket_id", "product_id", "user_id", "transaction_at", "ingested_at", "quantity",
        money("sales_cents", "decimal(12,2)").alias("sales_value"),
        money("retail_cents", "decimal(12,2)").alias("discount"),
        money("coupon_cents", "decimal(12,2)").alias("coupon"),
        "reason", "rows", "line_number",
        F.element_at(F.array(*(F.lit(word) for word in _STATUS)), F.col("status") + 1).alias("order_status"),
    )  # fmt: skip


def from_transaction_rejects(rejects: DataFrame) -> DataFrame:
    """Do the reverse of `to_transaction_rejects`."""
    return rejects.select(
        "ingested_at", "transaction_at", _status("order_status", None).alias("status"), "user_id", "quantity",
        _cents("sales_value").alias("sales_cents"), _cents("discount").alias("retail_cents"),
        _cents("coupon").alias("coupon_cents"), "basket_id", "product_id", "line_number", "reason", "rows",
    )  # fmt: skip


def _cents(column: str) -> Column:
    return (F.col(column) * 100).cast("bigint")


def _status(column: str, absent: int | None = PAID) -> Column:
    """The number of an order_status: that of a null is `absent`, an unknown word has none."""
    word, number = F.lower(trimmed(column)), F.lit(None).cast("int")
    for name, value in _STATUS.items():
        number = F.when(word == name, F.lit(value)).otherwise(number)
    return F.when(F.coalesce(word, F.lit("")) == "", F.lit(absent).cast("int")).otherwise(number)


def _first(**reasons: Column) -> Column:
    """The name of the first condition that holds; null if none does."""
    none = F.lit(None).cast("string")
    last_first = [*reasons.items()][::-1]
    return reduce(lambda rest, item: F.when(item[1], F.lit(item[0])).otherwise(rest), last_first, none)
