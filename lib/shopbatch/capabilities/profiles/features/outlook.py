"""Forecast each user's purchases of the next 30 days from what similar users did, and assign the user's RFM segment.

The forecast is a cohort table. Users are put into cells by their recency and habit 30, 60 and 90 days ago, and the
table holds what the users of a cell did in the 30 days that followed. No parameters are fitted; the table consists of
sums, which any engine computes exactly. Where people buy often (groceries) the forecast is better calibrated and
sharper than BG/NBD with Gamma-Gamma (Fader, Hardie and Lee 2005), as `bench/outlook.py` prints. Where they buy rarely
it is worse, as `bench/propensity.py` prints.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from shopbatch.capabilities.profiles.features.activity import COHORTS
from shopbatch.capabilities.profiles.features.expressions import ratio
from shopbatch.evaluation.cohort_table import HABIT_EDGES, MONEY_PRIOR, PRIOR, RECENCY_EDGES


def with_outlook(users: DataFrame) -> DataFrame:
    """Add the forecasts buy_probability_30d (0 to 1) and expected_spend_30d (money) to the result of `activity.sums`.

    Both columns are null for users without an active day. Small numbers do not give extreme forecasts: to the users of
    each cell of the cohort table PRIOR users with average behaviour are added, and to the active days of each user
    MONEY_PRIOR days with average spend.
    """
    cells = _cells(users)
    mean = users.agg(ratio(F.sum("purchase_cents"), F.sum("active_days_all")).alias("mean_cents"))
    pooled = ("n", "bought", "next", "habit")
    total = cells.where("cell is null").select(*(F.col(n).alias(f"all_{n}") for n in pooled)).crossJoin(mean)
    own = cells.where("cell is not null").select(
        F.col("cell").alias("own_cell"), *(F.col(n).alias(f"own_{n}") for n in pooled)
    )
    cell = _cell(F.col("last_0"), F.col("habit_0"))
    joined = users.join(F.broadcast(own), F.col("own_cell") == cell, "left").join(F.broadcast(total), how="left")

    def shrunk(name: str) -> Column:
        users_of_cell, sum_of_cell = (F.coalesce(F.col(f"own_{c}"), F.lit(0.0)) for c in ("n", name))
        return (sum_of_cell + PRIOR * F.col(f"all_{name}") / F.col("all_n")) / (users_of_cell + PRIOR)

    days = shrunk("next") * (F.col("habit_0") + 1) / (shrunk("habit") + 1)
    cents = (F.col("purchase_cents") + MONEY_PRIOR * F.col("mean_cents")) / (F.col("active_days_all") + MONEY_PRIOR)
    buyer = F.col("last_0").isNotNull()
    return joined.select(
        *users.columns,
        F.when(buyer, shrunk("bought")).alias("buy_probability_30d"),
        F.when(buyer, days * cents / 100).alias("expected_spend_30d"),
    )


def _cells(users: DataFrame) -> DataFrame:
    """Return the cohort table: one row per cell, and one for all cells together (`cell` is null).

    The columns are `n` (observations: a user is counted once per cohort), `bought` (observations with a purchase in the
    30 days after), and the sums of active days in the 30 days after (`next`) and in the 90 days before (`habit`).

    Args:
        users: The result of `activity.sums`.
    """
    cohorts = F.array(
        *(
            F.struct(
                F.col(f"last_{h}").alias("last"), F.col(f"habit_{h}").alias("habit"), F.col(f"next_{h}").alias("next")
            )
            for h in COHORTS
        )
    )
    observations = users.select(F.explode(cohorts).alias("c")).select("c.*").where("last is not null")
    return (
        observations.withColumn("cell", _cell(F.col("last"), F.col("habit")))
        .rollup("cell")
        .agg(
            F.count(F.lit(1)).cast("double").alias("n"),
            F.count_if(F.col("next") > 0).cast("double").alias("bought"),
            F.sum("next").cast("double").alias("next"),
            F.sum("habit").cast("double").alias("habit"),
        )
    )


def _cell(last: Column, habit: Column) -> Column:
    return _place(last, RECENCY_EDGES) * (len(HABIT_EDGES) + 1) + _place(habit, HABIT_EDGES)


def _place(value: Column, edges: tuple[int, ...]) -> Column:
    """Return the number of `edges` that are less than or equal to the value: the index of its bin, from 0."""
    return sum((F.when(value >= edge, 1).otherwise(0) for edge in edges), F.lit(0))


def with_segments(users: DataFrame) -> DataFrame:
    """Add the RFM scores (1 to 5, null without an active day) and rfm_segment to the result of `activity.sums`."""
    buyer = F.col("last_0").isNotNull()
    metrics = {
        "recency": -F.col("last_0"),
        "frequency": F.col("active_days_365d"),
        "monetary": F.floor(F.col("sales_cents_365d") / 100).cast("bigint"),
    }
    pairs = F.array(*(F.struct(F.lit(n).alias("metric"), v.alias("value")) for n, v in metrics.items()))
    counted = users.where(buyer).select(F.explode(pairs).alias("p")).groupBy("p.metric", "p.value").count()
    order = Window.partitionBy("metric").orderBy("value")
    below = F.sum("count").over(order) - F.col("count")
    # The rows are distinct values, not users, so they are few enough to be sorted in one task.
    scores = counted.select(
        "metric", "value",
        (1 + F.floor(5 * below / F.sum("count").over(Window.partitionBy("metric")))).alias("score"),
    )  # fmt: skip
    least = scores.agg(
        *(
            F.min(F.when((F.col("metric") == name) & (F.col("score") >= k), F.col("value"))).alias(f"{name}_{k}")
            for name in metrics
            for k in range(2, 6)
        )
    )
    r, f, m = (
        sum((F.when(value >= F.col(f"{name}_{k}"), 1).otherwise(0) for k in range(2, 6)), F.lit(1)).cast("bigint")
        for name, value in metrics.items()
    )
    rated = users.join(F.broadcast(least), how="left").select(
        *users.columns, *(F.when(buyer, score).alias(f"rfm_{n}") for n, score in zip(metrics, (r, f, m), strict=True))
    )
    return rated.withColumn("rfm_segment", _segment())


def _segment() -> Column:
    r, f, m = F.col("rfm_recency"), F.col("rfm_frequency"), F.col("rfm_monetary")
    return (
        F.when(r.isNull(), "no_purchase")
        .when((r >= 4) & (f >= 4) & (m >= 4), "champions")
        .when((F.col("days_since_first") <= 60) & (f <= 2), "new_customers")
        .when((r >= 3) & (f >= 4), "loyal")
        .when((r >= 3) & (m >= 4), "big_spenders")
        .when(r >= 4, "promising")
        .when(r == 3, "needs_attention")
        .when((f >= 4) | (m >= 4), "at_risk")
        .when(r == 2, "hibernating")
        .otherwise("lost")
    )
