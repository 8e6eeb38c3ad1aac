"""Compute each user's tastes (favourite products, departments, categories, brands) and price level from purchases.

The inputs are user_product_daily and products. Recent purchases weigh more ("decayed money"). The tiles are shuffled
once, by user.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from shopbatch.capabilities.profiles.features.expressions import money, one_per_key, ratio

TOP = 5
UNKNOWN = "unknown"
_GROUPS = {"department": "departments", "category": "categories", "brand": "brands"}
# Decayed money is a sum of cents times 2^(-age / half life). A sum of doubles would depend on the order of the rows,
# and equal amounts might not be ties. So there are SPANS sums of whole numbers, each of the cents of SPAN half lives of
# age times a weight of BITS significant bits. The weights are at most 2^60 and the cents of a user below 2^63, so that
# their products fit into the 38 digits of a decimal.
BITS, SPAN, SPANS = 40, 20, 6
_DECAYED = tuple(f"decayed_{i}" for i in range(SPANS))


def by_product(tiles: DataFrame, as_of: date, half_life: int) -> DataFrame:
    """Sum user_product_daily to one row per user and product, over the days before `as_of`, partitioned by user.

    Decayed money is the money of purchases, each weighted by 2^(-age / half_life). The columns _DECAYED hold it as
    exact whole numbers, which `_decayed_cents` combines into one number. An age of more than SPAN * SPANS half lives is
    cut to that many.

    Args:
        tiles: The tiles user_product_daily.
        as_of: Only tiles of days before this day are summed.
        half_life: Age in days at which the weight of a purchase has fallen to one half.
    """
    age = F.least(F.datediff(F.lit(as_of), "day"), F.lit(half_life * SPAN * SPANS))
    halvings = F.floor(age / F.lit(float(half_life)))
    part = (age - halvings * half_life) / F.lit(float(half_life))  # fraction of a half life, 0 to 1
    significand = F.floor(F.lit(2.0**BITS) * F.pow(F.lit(2.0), -part) + 0.5)
    span = F.greatest(F.floor((halvings - 1) / SPAN), F.lit(0))
    weight = significand * F.pow(F.lit(2.0), (span + 1) * SPAN - halvings).cast("bigint")
    decayed = F.col("purchase_cents").cast("decimal(19,0)") * weight.cast("decimal(19,0)")
    return (
        tiles.where(F.col("day") < F.lit(as_of))
        .withColumns({"decayed": decayed, "span": span})
        .repartition("user_id")
        .groupBy("user_id", "product_id")
        .agg(
            *(F.sum(F.when(F.col("span") == i, F.col("decayed"))).alias(name) for i, name in enumerate(_DECAYED)),
            F.count_if(F.col("lines") > 0).alias("days"),
            *(F.sum(name).alias(name) for name in ("lines", "units", "sales_cents", "purchase_cents", "unit_cents")),
        )
    )


def by_kind(bought: DataFrame, products: DataFrame) -> DataFrame:
    """Sum the result of `by_product` to one row per user, department, category and brand (null: unknown).

    The columns are the sums of decayed money, lines, units and cents. `unknown_cents` holds the money of products that
    `products` does not list.

    Args:
        bought: The result of `by_product`.
        products: Rows of the table products; if a product occurs more than once, the newest row is used.
    """
    # One row per product: if the catalogue was loaded twice, a join would count every line twice.
    catalogue = one_per_key(products, "product_id", ("updated_at", *_GROUPS)).withColumn("known", F.lit(True))
    summed = (*_DECAYED, "lines", "units", "purchase_cents", "unit_cents")
    return (
        bought.join(catalogue, "product_id", "left")
        .groupBy("user_id", *_GROUPS)
        .agg(
            *(F.sum(name).alias(name) for name in summed),
            F.sum(F.when(F.col("known").isNull(), F.col("sales_cents")).otherwise(F.lit(0))).alias("unknown_cents"),
        )
    )


def of_products(bought: DataFrame) -> DataFrame:
    """Compute each user's top_products, products_bought and repeat_product_share from the result of `by_product`."""
    return (
        bought.withColumn("v", _decayed_cents())
        .groupBy("user_id")
        .agg(
            _top("product_id", "v").alias("top_products"),
            F.count_if(F.col("lines") > 0).alias("products_bought"),
            F.count_if(F.col("days") > 1).alias("repeats"),
        )
        .withColumn("repeat_product_share", ratio("repeats", "products_bought"))
        .drop("repeats")
    )


def of_kinds(kinds: DataFrame) -> DataFrame:
    """Compute each user's features of departments, categories and brands from the result of `by_kind`.

    For each of the three: the top names, the share of the top name, the entropy, and the number of names bought.
    """
    rows = kinds.select(
        "user_id",
        F.explode(
            F.array(*(F.struct(F.lit(g).alias("kind"), F.coalesce(g, F.lit(UNKNOWN)).alias("name")) for g in _GROUPS))
        ),
        *_DECAYED,
        "lines",
    ).select("user_id", "col.kind", "col.name", *_DECAYED, "lines")
    summed_up = (F.sum(name).alias(name) for name in (*_DECAYED, "lines"))
    named = rows.groupBy("user_id", "kind", "name").agg(*summed_up).withColumn("v", _decayed_cents())
    columns = []
    for group, many in _GROUPS.items():
        in_group = F.col("kind") == group
        value = F.when(in_group & (F.col("v") > 0), F.col("v"))
        columns += [
            _top("name", "v", in_group).alias(f"top_{many}"),
            F.array_sort(F.collect_list(value)).alias(f"{group}_v"),
            F.count_if(in_group & (F.col("lines") > 0)).alias(f"{many}_bought"),
        ]
    summed = named.groupBy("user_id").agg(*columns)
    out: list[Column | str] = ["user_id"]
    for group, many in _GROUPS.items():
        values = F.col(f"{group}_v")  # sorted, so every run adds them in the same order
        total = F.aggregate(values, F.lit(0.0), lambda so_far, v: so_far + v)
        v_ln_v = F.aggregate(values, F.lit(0.0), lambda so_far, v: so_far + v * F.log(v))
        some = F.size(values) > 0
        # The entropy is -sum(p ln p) with p = v / total.
        out += [
            f"top_{many}",
            F.when(some, F.array_max(values) / total).alias(f"top_{group}_share"),
            F.when(some, F.greatest(F.log(total) - v_ln_v / total, F.lit(0.0))).alias(f"{group}_entropy"),
            F.col(f"{many}_bought"),
        ]
    return summed.select(*out)


def of_prices(kinds: DataFrame, private_brands: Sequence[str]) -> DataFrame:
    """Compute price_level, private_label_share and unknown_product_sales per user from the result of `by_kind`.

    The price level compares what a user paid with what all users paid on average per unit of the same categories.

    Args:
        kinds: The result of `by_kind`.
        private_brands: Values of products.brand that are the shop's own brands.
    """
    sold = F.col("category").isNotNull() & (F.col("units") > 0)
    prices = kinds.where(sold).groupBy("category").agg(ratio(F.sum("unit_cents"), F.sum("units")).alias("price"))
    private = F.col("brand").isin(list(private_brands)) if private_brands else F.lit(False)
    summed = (
        kinds.join(F.broadcast(prices), "category", "left")
        .groupBy("user_id")
        .agg(
            F.sum(F.when(sold, F.col("unit_cents"))).alias("paid"),
            F.sum(F.when(sold, F.col("units") * F.col("price"))).alias("usual"),
            F.sum(F.when(private, F.col("purchase_cents")).otherwise(F.lit(0))).alias("private"),
            F.sum(F.when(F.col("brand").isNotNull(), F.col("purchase_cents")).otherwise(F.lit(0))).alias("branded"),
            F.sum("unknown_cents").alias("unknown_cents"),
        )
    )
    return summed.select(
        "user_id",
        ratio("paid", "usual").alias("price_level"),
        F.when(F.col("branded") > 0, ratio("private", "branded")).alias("private_label_share"),
        money("unknown_cents").alias("unknown_product_sales"),
    )


def _decayed_cents() -> Column:
    """Return a column with the decayed money (see `by_product`) in cents, as a double.

    It combines the whole numbers in the columns _DECAYED, always in the same order, so the result does not vary between
    runs.
    """
    parts = (
        F.coalesce(F.col(name).cast("double"), F.lit(0.0)) * 2.0 ** (-BITS - SPAN * (i + 1))
        for i, name in enumerate(_DECAYED)
    )
    return reduce(Column.__add__, parts)


def _top(name: str, value: str, where: Column | None = None) -> Column:
    """Return an aggregate: the TOP names with the greatest values above 0, greatest first, ties in alphabetical order.

    Args:
        name: Column with the names.
        value: Column with the values.
        where: Condition on the rows to use; None for all rows.
    """
    counts = F.col(value) > 0 if where is None else where & (F.col(value) > 0)
    return F.min_by(name, F.when(counts, F.struct(-F.col(value), F.col(name))), TOP)
