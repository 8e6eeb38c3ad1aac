"""Sum facts (cleaned source rows) to daily tiles. A tile holds sums over one user's day; a profile is a sum over tiles.

Each function takes the facts that remain when rejected and repeated ones are removed, with the columns `day` and
`bucket` (number of the partition). All facts of one user's day lie in the same bucket, so nothing here shuffles. Hours
are in the session's time zone, which the job sets to the shop's.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from shopbatch.capabilities.profiles.features.facts import is_purchase, is_refunded, net_cents
from shopbatch.tables.user_profiles import DAYPARTS


def user_daily(lines: DataFrame) -> DataFrame:
    """Compute the rows of user_daily (one per user and day) from order lines.

    Args:
        lines: Columns facts.TRANSACTION, `day` and `bucket`; every order line occurs only once (see `facts.ranked`).
    """
    bought, given_back = is_purchase(), ~is_purchase() | is_refunded()
    baskets = lines.groupBy("bucket", "user_id", "day", "basket_id").agg(
        F.count_if(bought).alias("lines"),
        _sum("quantity", bought).alias("units"),
        F.sum(net_cents()).alias("sales_cents"),
        _sum("sales_cents", bought).alias("purchase_cents"),
        F.min(F.when(bought, F.col("transaction_at"))).alias("first"),
        _sum(F.col("retail_cents") + F.col("coupon_cents"), bought).alias("discount_cents"),
        F.count_if(bought & ((F.col("retail_cents") + F.col("coupon_cents")) > 0)).alias("discounted_lines"),
        F.count_if(bought & (F.col("coupon_cents") > 0)).alias("coupon_lines"),
        F.count_if(given_back).alias("return_lines"),
        _sum(F.abs("quantity"), given_back).alias("returned_units"),
    )
    basket, hour, cents = F.col("lines") > 0, F.hour("first"), F.col("purchase_cents").cast("decimal(19,0)")
    summed = ("lines", "units", "sales_cents", "purchase_cents", "discount_cents", "discounted_lines", "coupon_lines",
              "return_lines", "returned_units")  # fmt: skip
    tiles = baskets.groupBy("bucket", "user_id", "day").agg(
        F.count_if(basket).alias("baskets"),
        *(F.sum(name).alias(name) for name in summed),
        F.sum(cents * cents).alias("basket_cents_sq"),
        F.sum(F.col("units") * F.col("units")).alias("basket_units_sq"),
        F.max(F.when(basket, F.col("purchase_cents"))).alias("basket_cents_max"),
        *(F.count_if((hour >= low) & (hour < high)).alias(f"baskets_{part}") for part, (low, high) in DAYPARTS.items()),
    )
    return tiles.withColumn("returned_cents", F.col("purchase_cents") - F.col("sales_cents"))


def user_product_daily(lines: DataFrame) -> DataFrame:
    """Compute the rows of user_product_daily (one per user, day and product) from order lines.

    Args:
        lines: Columns facts.TRANSACTION, `day` and `bucket`; every order line occurs only once (see `facts.ranked`).
    """
    return lines.groupBy("bucket", "user_id", "day", "product_id").agg(
        F.count_if(is_purchase()).alias("lines"),
        _sum("quantity", is_purchase()).alias("units"),
        F.sum(net_cents()).alias("sales_cents"),
        _sum("sales_cents", is_purchase()).alias("purchase_cents"),
        _sum("sales_cents", is_purchase() & (F.col("quantity") > 0)).alias("unit_cents"),
    )


def user_event_daily(events: DataFrame) -> DataFrame:
    """Compute the rows of user_event_daily (numbers of views, carts, searches, invitations per user and day).

    Args:
        events: Columns facts.EVENT, `day` and `bucket`; every event occurs only once (see `facts.ranked`).
    """
    kinds = {"views": "view", "carts": "cart", "searches": "search", "invitations": "invitation"}
    return events.groupBy("bucket", "user_id", "day").agg(
        *(F.count_if(F.col("event_type") == kind).alias(name) for name, kind in kinds.items())
    )


def user_product_event_daily(events: DataFrame) -> DataFrame:
    """Compute the rows of user_product_event_daily (numbers of views and carts per user, day and product) from events.

    Events without a product are left out.

    Args:
        events: Columns facts.EVENT, `day` and `bucket`; every event occurs only once (see `facts.ranked`).
    """
    shown = events.where(F.col("product_id").isNotNull() & F.col("event_type").isin("view", "cart"))
    return shown.groupBy("bucket", "user_id", "day", "product_id").agg(
        F.count_if(F.col("event_type") == "view").alias("views"),
        F.count_if(F.col("event_type") == "cart").alias("carts"),
    )


def _sum(value: str | Column, where: Column | None = None) -> Column:
    """Return an aggregate: the sum of whole numbers over the rows where the condition holds; 0 if it never does."""
    column = F.col(value) if isinstance(value, str) else value
    return F.sum(column if where is None else F.when(where, column).otherwise(F.lit(0)))
