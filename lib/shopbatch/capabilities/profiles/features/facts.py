"""Turn source rows into facts: the columns that the tiles need, and the reason if a row is rejected.

Several facts may share a key, for example when an order line was exported again after a correction. `ranked` decides
which of them is used. It compares only values, so it does not matter when or in which file a row arrived. A cancelled
fact competes with the others of its key: if it wins, no fact of that key is used.
"""

from __future__ import annotations

from functools import reduce

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from shopbatch.capabilities.profiles.features.expressions import has_day, money
from shopbatch.capabilities.profiles.features.ids import is_blank, trimmed
from shopbatch.tables.transactions import ORDER_STATUS

# No real order line has more units, even if units are thousandths. A barcode in the wrong column (8 digits or more) is
# above this limit. And the squared units of 90,000 such baskets of one user still add up to less than 2^63.
MAX_UNITS = 10_000_000

# The columns of a transaction fact, and below of an event fact. Of several facts with one key the greatest counts:
# by `ingested_at` first, then by the other columns in this order.
TRANSACTION = (
    "ingested_at", "transaction_at", "status", "user_id", "quantity", "sales_cents", "retail_cents", "coupon_cents",
    "basket_id", "product_id", "line_number",
)  # fmt: skip
PAID, REFUNDED, CANCELLED = range(3)  # values of `status`: at equal times the fact with the greatest one counts
_STATUS = {"paid": PAID, "refunded": REFUNDED, "cancelled": CANCELLED}
assert set(_STATUS) == set(ORDER_STATUS)
EVENT = ("ingested_at", "event_time", "user_id", "event_type", "product_id", "event_id")


def transactions(rows: DataFrame) -> DataFrame:
    """Clean rows of `transactions` into facts: the columns TRANSACTION, and `reason` for a rejected row (null: valid).

    Money becomes whole cents, user and product ids are trimmed, and the order status becomes a number.
    """
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
            # Missing values of a cancelled line do not matter: it can be cancelled without a payment or a time.
            cancelled=F.coalesce(_status("order_status") == CANCELLED, F.lit(False)),
            no_status=_status("order_status").isNull(),
            no_user=is_blank("user_id"),
            no_time=~has_day("transaction_at"),
            no_quantity=~F.coalesce(F.col("quantity").between(-MAX_UNITS, MAX_UNITS), F.lit(False)),
            no_amount=F.col("sales_value").isNull(),
        ).alias("reason"),
    )


def events(rows: DataFrame) -> DataFrame:
    """Clean rows of `events` into facts: the columns EVENT, and `reason` for a rejected row (null: valid)."""
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
    """Return a condition that holds for purchases: order lines with neither quantity nor money below 0.

    All other lines (TRANSACTION facts) are returns.
    """
    return (F.col("quantity") >= 0) & (F.col("sales_cents") >= 0)


def is_refunded() -> Column:
    """Return a condition that holds for order lines (TRANSACTION facts) that were bought and then wholly refunded."""
    return is_purchase() & (F.col("status") == REFUNDED)


def net_cents() -> Column:
    """Return the cents that the shop keeps from an order line (TRANSACTION fact), as a column.

    It is 0 for a refunded purchase, and usually below 0 for a return.
    """
    return F.when(is_refunded(), F.lit(0)).otherwise(F.coalesce("sales_cents", F.lit(0)))


def ranked(facts: DataFrame, key: tuple[str, ...], identity: tuple[str, ...]) -> DataFrame:
    """Rank the distinct facts of each key; only the fact with `rank` 1 is used for the tiles.

    The greatest fact by the columns `identity`, compared in this order, gets rank 1 (null is least).

    Args:
        facts: Facts; equal ones may occur several times.
        key: Columns of the key.
        identity: All columns of a fact, the most important for the order first.

    Returns:
        The columns `identity`, `copies` (number of equal facts) and `rank` (from 1 on within each key).
    """
    distinct = facts.repartition(*key).groupBy(*identity).agg(F.count(F.lit(1)).alias("copies"))
    order = Window.partitionBy(*key).orderBy(*(F.col(c).desc_nulls_last() for c in identity if c not in key))
    return distinct.withColumn("rank", F.row_number().over(order))


def repeated(ranks: DataFrame, identity: tuple[str, ...]) -> DataFrame:
    """Return the facts in the result of `ranked` that are not used, as rejects with `reason` and `rows`.

    Further copies of the fact with rank 1 have the reason `repeated`; all other facts of its key have `superseded`.
    `rows` is the number of source rows that a reject stands for.
    """
    first = F.col("rank") == 1
    rows = F.when(first, F.col("copies") - 1).otherwise(F.col("copies"))
    reason = F.when(first, F.lit("repeated")).otherwise(F.lit("superseded"))
    return ranks.select(*identity, reason.alias("reason"), rows.alias("rows")).where("rows > 0")


def to_transaction_rejects(rejects: DataFrame) -> DataFrame:
    """Convert rejected order lines (TRANSACTION facts, `reason`, `rows`) to the columns of transactions_rejects."""
    return rejects.select(
        "basket_id", "product_id", "user_id", "transaction_at", "ingested_at", "quantity",
        money("sales_cents", "decimal(12,2)").alias("sales_value"),
        money("retail_cents", "decimal(12,2)").alias("discount"),
        money("coupon_cents", "decimal(12,2)").alias("coupon"),
        "reason", "rows", "line_number",
        F.element_at(F.array(*(F.lit(word) for word in _STATUS)), F.col("status") + 1).alias("order_status"),
    )  # fmt: skip


def from_transaction_rejects(rejects: DataFrame) -> DataFrame:
    """Convert rows of transactions_rejects back to TRANSACTION facts (order lines) with `reason` and `rows`."""
    return rejects.select(
        "ingested_at", "transaction_at", _status("order_status", None).alias("status"), "user_id", "quantity",
        _cents("sales_value").alias("sales_cents"), _cents("discount").alias("retail_cents"),
        _cents("coupon").alias("coupon_cents"), "basket_id", "product_id", "line_number", "reason", "rows",
    )  # fmt: skip


def _cents(column: str) -> Column:
    return (F.col(column) * 100).cast("bigint")


def _status(column: str, absent: int | None = PAID) -> Column:
    """Return the number (PAID, REFUNDED, CANCELLED) of the order status in a column.

    A null or blank status gives `absent`; an unknown word gives null.
    """
    word, number = F.lower(trimmed(column)), F.lit(None).cast("int")
    for name, value in _STATUS.items():
        number = F.when(word == name, F.lit(value)).otherwise(number)
    return F.when(F.coalesce(word, F.lit("")) == "", F.lit(absent).cast("int")).otherwise(number)


def _first(**reasons: Column) -> Column:
    """Return the name of the first condition that holds, in the order of the arguments; null if none holds."""
    none = F.lit(None).cast("string")
    last_first = [*reasons.items()][::-1]
    return reduce(lambda rest, item: F.when(item[1], F.lit(item[0])).otherwise(rest), last_first, none)
