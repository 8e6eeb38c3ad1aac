"""Daily tiles -> one row per user: what the user did, with which product, on which day.

Called by `run`. Nothing here reads the clock or depends on the order of rows, so equal tiles give equal rows.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from shopbatch.capabilities.recommendations.user_sequences.config import Keep
from shopbatch.tables.user_sequences import CART, PURCHASE, RETURN, VIEW

if TYPE_CHECKING:
    from shopbatch.tables.schema import Table

BOUGHT = {
    PURCHASE: "units > 0 and purchase_cents > 0",
    RETURN: "lines = 0 or sales_cents < purchase_cents",
}
VISITED = {CART: "carts > 0", VIEW: "views > 0"}
_ENTRY = ("day", "product_id", "action")  # their order is the order of a sequence


def entries(bought: DataFrame, visited: DataFrame | None) -> DataFrame:
    """Return one row per user, product, day and action: user_id, day, product_id, action.

    Args:
        bought: Rows of user_product_daily. What cost nothing or had no quantity was not bought.
        visited: Rows of user_product_event_daily; None if the shop has no events.
    """
    parts = [_actions(bought, BOUGHT)] + ([] if visited is None else [_actions(visited, VISITED)])
    return reduce(DataFrame.union, parts)


def _actions(tiles: DataFrame, conditions: dict[int, str]) -> DataFrame:
    happened = F.array_compact(
        F.array(*(F.when(F.expr(test), F.lit(a).cast("tinyint")) for a, test in conditions.items()))
    )
    return tiles.select("user_id", "day", "product_id", F.explode(happened).alias("action"))


def sequences(entries: DataFrame, keep: Keep, run_id: str) -> DataFrame:
    """Return rows of user_sequences from the entries of whole users.

    Args:
        entries: What `entries` returns, of any number of users.
        keep: How many entries of a user are kept.
        run_id: The run that computes the rows.
    """
    is_visit = F.col("action").isin(*VISITED)
    newest = Window.partitionBy("user_id", "visit").orderBy(*(F.col(name).desc() for name in _ENTRY))
    limit = F.when(F.col("visit"), F.lit(keep.visits)).otherwise(F.lit(keep.purchases))
    ranked = entries.withColumn("visit", is_visit).withColumn("rank", F.row_number().over(newest))
    kept = F.when(F.col("rank") <= limit, F.struct(*_ENTRY))
    grouped = ranked.groupBy("user_id").agg(
        F.array_sort(F.collect_list(kept)).alias("kept"),  # null, which an entry too old is, is not collected
        F.count_if(F.col("rank") > limit).alias("dropped"),
    )
    return grouped.select(
        "user_id",
        _each("product_id").alias("products"),
        _each("day").alias("days"),
        _each("action").alias("actions"),
        "dropped",
        F.lit(run_id).alias("run_id"),
    )


def _each(name: str) -> Column:
    # Written out as a condition, because the declared lists may hold nulls, and Spark would say that these do not.
    return F.transform("kept", lambda entry: F.when(F.size("kept") > 0, entry[name]))


def changed_users(added: DataFrame, removed: DataFrame, table: Table) -> DataFrame:
    """Return the users (user_id) for whom two sets of rows of a tile table differ."""
    signed = added.select(*table.names, F.lit(1).alias("sign")).union(
        removed.select(*table.names, F.lit(-1).alias("sign"))
    )
    differing = signed.groupBy(*table.names).agg(F.sum("sign").alias("sign")).where("sign != 0")
    return differing.select("user_id").distinct()


def total(rows: DataFrame) -> int:
    """Return the number of entries that rows of user_sequences account for: those that they hold and those dropped."""
    counted = rows.agg(F.sum(F.size("products") + F.col("dropped")).alias("entries")).first()
    return int(counted["entries"] or 0) if counted else 0
