"""Compute rows of `user_sequences` with Spark from the daily tiles (sums of one user, product and day).

`run` calls this. Nothing here reads the clock or depends on the order of rows, so equal tiles give equal rows.
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
_ENTRY = ("day", "product_id", "action")  # entries of a sequence are sorted by these columns


def entries(bought: DataFrame, visited: DataFrame | None) -> DataFrame:
    """Return one row per user, day, product and action, with the columns user_id, day, product_id, action.

    Args:
        bought: Rows of user_product_daily. Products that cost nothing or had no quantity do not count as bought.
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
    """Return rows of `user_sequences`: each user's newest entries, collected into lists in order of day.

    Args:
        entries: Result of the function `entries`; it must hold all entries of a user or none.
        keep: How many entries of a user are kept.
        run_id: Id of the run that computes the rows; becomes a column.
    """
    is_visit = F.col("action").isin(*VISITED)
    newest = Window.partitionBy("user_id", "visit").orderBy(*(F.col(name).desc() for name in _ENTRY))
    limit = F.when(F.col("visit"), F.lit(keep.visits)).otherwise(F.lit(keep.purchases))
    ranked = entries.withColumn("visit", is_visit).withColumn("rank", F.row_number().over(newest))
    kept = F.when(F.col("rank") <= limit, F.struct(*_ENTRY))
    grouped = ranked.groupBy("user_id").agg(
        F.array_sort(F.collect_list(kept)).alias("kept"),  # too old entries are null, and collect_list skips nulls
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
    # The condition is always true. It makes Spark declare the lists' elements as nullable, as the table's schema does.
    return F.transform("kept", lambda entry: F.when(F.size("kept") > 0, entry[name]))


def changed_users(added: DataFrame, removed: DataFrame, table: Table) -> DataFrame:
    """Return the users (column user_id) whose rows differ between two versions of a tile table.

    Args:
        added: Rows of the files that only the newer version has.
        removed: Rows of the files that only the older version has.
        table: Declaration of the tile table.
    """
    signed = added.select(*table.names, F.lit(1).alias("sign")).union(
        removed.select(*table.names, F.lit(-1).alias("sign"))
    )
    differing = signed.groupBy(*table.names).agg(F.sum("sign").alias("sign")).where("sign != 0")
    return differing.select("user_id").distinct()


def total(rows: DataFrame) -> int:
    """Return the number of history entries that rows of `user_sequences` hold or have dropped.

    Rows drop entries beyond the limits of `Keep`; the column `dropped` counts them.
    """
    counted = rows.agg(F.sum(F.size("products") + F.col("dropped")).alias("entries")).first()
    return int(counted["entries"] or 0) if counted else 0
