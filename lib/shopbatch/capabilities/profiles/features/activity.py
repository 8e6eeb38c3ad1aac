"""Sum the tiles user_daily per user, and compute features of recency, money, baskets and rhythm from the sums.

`profile` calls `sums`, lets `outlook` add its columns, and passes the result to `features`.
"""

from __future__ import annotations

from datetime import date

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from shopbatch.capabilities.profiles.features.expressions import money, ratio
from shopbatch.tables.user_profiles import DAYPARTS, FEATURES, WEEKDAYS, WINDOWS

COHORTS = (30, 60, 90)  # days before as_of to which the outlook looks back
HORIZON, HABIT = 30, 90  # days: how far the outlook forecasts, and over how many days active days are counted as habit

_SUMMED = (
    "lines", "purchase_cents", "basket_cents_sq", "basket_units_sq", "discount_cents", "discounted_lines",
    "coupon_lines", "return_lines", "returned_units", "returned_cents", *(f"baskets_{part}" for part in DAYPARTS),
)  # fmt: skip


def sums(daily: DataFrame, as_of: date) -> DataFrame:
    """Sum user_daily to one row per user with a tile before `as_of`; the features are computed from these sums.

    The forecast of `outlook` also needs each user's state on the days d = as_of - h, for h = 0 and each h in COHORTS.
    It consists of three columns per h. An active day is a day with a basket.

    - last_h: days from the last active day before d until d; null if there is none
    - habit_h: number of active days in the HABIT days before d
    - next_h: number of active days in the HORIZON days from d on

    Args:
        daily: The tiles user_daily.
        as_of: Only tiles of days before this day are summed.
    """
    earlier = Window.partitionBy("user_id").orderBy("day").rowsBetween(Window.unboundedPreceding, -1)
    active, today = F.col("baskets") > 0, F.lit(as_of)
    tiles = (
        daily.where(F.col("day") < today)
        .withColumn("age", F.datediff(today, "day"))
        .withColumn("active", active)
        .withColumn("before", F.last(F.when(active, F.col("day")), ignorenulls=True).over(earlier))
        .withColumn("gap", F.when(active, F.datediff("day", "before")).cast("bigint"))
    )
    new_month = F.col("before").isNull() | (F.trunc("before", "month") != F.trunc("day", "month"))
    cohorts = [
        column
        for h in (0, *COHORTS)
        for column in (
            (F.min(F.when(F.col("active") & (F.col("age") > h), F.col("age"))) - h).cast("bigint").alias(f"last_{h}"),
            _days((F.col("age") > h) & (F.col("age") <= h + HABIT)).alias(f"habit_{h}"),
            _days((F.col("age") <= h) & (F.col("age") > h - HORIZON)).alias(f"next_{h}"),
        )
    ]
    return tiles.groupBy("user_id").agg(
        *(_in_window("sales_cents", w).alias(f"sales_cents_{n}") for n, w in WINDOWS.items()),
        *(_in_window("baskets", w).alias(f"baskets_{n}") for n, w in WINDOWS.items()),
        *(_days(_age(w)).alias(f"active_days_{n}") for n, w in WINDOWS.items()),
        *(_in_window("units", w).alias(f"units_{n}") for n, w in WINDOWS.items()),
        *(F.sum(name).alias(name) for name in _SUMMED),
        F.max(F.when(F.col("active"), F.col("age"))).cast("bigint").alias("days_since_first"),
        F.count_if(F.col("active") & new_month).alias("active_months"),
        F.max("basket_cents_max").alias("basket_cents_max"),
        F.count("gap").alias("gaps"),
        F.sum("gap").alias("gap_sum"),
        F.sum(F.col("gap") * F.col("gap")).alias("gap_sq"),
        *(
            F.sum(F.when(F.weekday("day") == i, F.col("baskets")).otherwise(F.lit(0))).alias(f"baskets_{name}")
            for i, name in enumerate(WEEKDAYS)
        ),
        *cohorts,
    )


def features(users: DataFrame) -> DataFrame:
    """Compute all features that depend only on a user's own purchases, one row per user.

    Args:
        users: The result of `sums` with the columns of `outlook.with_outlook` and `outlook.with_segments`.
    """
    baskets, gaps = F.col("baskets_all"), F.col("gaps")
    mean_gap = ratio("gap_sum", gaps)
    sd_gap = _sd(gaps, "gap_sum", "gap_sq")
    full_price = F.col("discount_cents") + F.col("purchase_cents")
    return users.select(
        "user_id",
        F.col("last_0").alias("days_since_last"),
        "days_since_first",
        "active_months",
        *(money(f"sales_cents_{n}").alias(f"sales_{n}") for n in WINDOWS),
        *(f"{stem}_{n}" for stem in ("baskets", "active_days", "units") for n in WINDOWS),
        F.when(F.col("sales_cents_90d") > 0, ratio(F.col("sales_cents_30d") * 3, F.col("sales_cents_90d"))).alias(
            "sales_trend"
        ),
        (ratio("purchase_cents", baskets) / 100).alias("basket_spend_mean"),
        (_sd(baskets, "purchase_cents", "basket_cents_sq") / 100).alias("basket_spend_sd"),
        money("basket_cents_max").alias("basket_spend_max"),
        ratio("units_all", baskets).alias("basket_units_mean"),
        _sd(baskets, "units_all", "basket_units_sq").alias("basket_units_sd"),
        ratio("lines", baskets).alias("basket_lines_mean"),
        mean_gap.alias("interval_mean"),
        sd_gap.alias("interval_sd"),
        (1 / (1 + sd_gap / mean_gap)).alias("interval_regularity"),
        (F.col("last_0") / mean_gap).alias("overdue_ratio"),
        *(ratio(f"baskets_{name}", baskets).alias(f"weekday_share_{name}") for name in WEEKDAYS),
        *(ratio(f"baskets_{name}", baskets).alias(f"daypart_share_{name}") for name in DAYPARTS),
        money("discount_cents").alias("discount_all"),
        F.when(full_price > 0, ratio("discount_cents", full_price)).alias("discount_share"),
        ratio("discounted_lines", "lines").alias("discounted_line_share"),
        ratio("coupon_lines", "lines").alias("coupon_line_share"),
        "return_lines",
        "returned_units",
        money("returned_cents").alias("returned_value"),
        ratio("return_lines", F.col("lines") + F.col("return_lines")).alias("return_line_share"),
        *(f.name for f in FEATURES if f.group in ("outlook", "segment")),
    )


def _age(days: int | None) -> Column:
    return F.lit(True) if days is None else F.col("age") <= days


def _in_window(column: str, days: int | None) -> Column:
    return F.sum(column) if days is None else F.sum(F.when(_age(days), F.col(column)).otherwise(F.lit(0)))


def _days(where: Column) -> Column:
    return F.count_if(F.col("active") & where)


def _sd(count: Column, total: str, squares: str) -> Column:
    """Return the sample standard deviation of `count` values; null for fewer than 2 values.

    It is computed from exact whole sums, so no digits are lost by cancellation.

    Args:
        count: Number of values.
        total: Column with the sum of the values.
        squares: Column with the sum of their squares.
    """
    n, exact = count.cast("decimal(10,0)"), "decimal(38,0)"
    spread = (n * F.col(squares).cast("decimal(28,0)")).cast(exact) - (
        F.col(total).cast("decimal(19,0)") * F.col(total).cast("decimal(19,0)")
    ).cast(exact)
    return F.when(count > 1, F.sqrt(spread.cast("double") / (count.cast("double") * (count - 1).cast("double"))))
