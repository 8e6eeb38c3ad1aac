"""What a user will probably do next, from what similar users did, and the user's segment. No parameters are fitted.

The forecast is a cohort table. Users are put into cells by recency and habit, as they were 30, 60 and 90 days ago; the
table holds what the users of a cell did in the 30 days after. Where people buy often (groceries) it is better
calibrated and sharper than BG/NBD with Gamma-Gamma (Fader, Hardie and Lee 2005), as `bench/outlook.py` prints; where
they buy rarely it is worse, as `bench/propensity.py` prints. It consists of sums, which any engine computes exactly.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from shopbatch.capabilities.profiles.features.activity import COHORTS
from shopbatch.capabilities.profiles.features.expressions import ratio
from shopbatch.evaluation.cohort_table import HABIT_EDGES, MONEY_PRIOR, PRIOR, RECENCY_EDGES


def with_outlook(users: DataFrame) -> DataFrame:
    """Add buy_probability_30d and expected_spend_30d to the result of `activity.sums`; null without an active day."""
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
    """One row per cell (null: all cells): n users, how many bought, and their sums of `next` and `habit` days."""
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
    """Return the cell of a value: how many of the edges it has reached."""
    return sum((F.when(value >= edge, 1).otherwise(0) for edge in edges), F.lit(0))


def with_segments(users: DataFrame) -> DataFrame:
    """Add the three RFM scores (null without an active day) and rfm_segment to the result of `activity.sums`."""
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
    # These are distinct values and not users, so they are few enough to be sorted in one task.
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
