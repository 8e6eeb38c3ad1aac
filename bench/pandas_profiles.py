"""Compute user features in pandas, one user at a time, as a competitor of the job build_user_profiles.

bench/user_profiles.py measures it. The code is written as such code often is: Spark groups the transaction lines by
user and calls a pandas function for each (`applyInPandas`). It computes the 70 features of NAMES: the groups recency,
frequency and money, baskets, rhythm, affinity, price and returns.

It does less than the job. It leaves out features that need all users (price_level, outlook, segments) or other tables
than transactions and products (campaigns, reviews, events, demographics), and does not know cancelled or refunded
lines. Spark computes beforehand the columns that depend on a single row (cents, age, hour, the product's names). Of
several rows with one key it keeps any one, not the latest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from shopbatch.tables.user_profiles import DAYPARTS, FEATURES, WEEKDAYS, WINDOWS

GROUPS = ("recency", "frequency and money", "baskets", "rhythm", "affinity", "price", "returns")
COMPUTED = tuple(f for f in FEATURES if f.group in GROUPS and f.name != "price_level")
NAMES = tuple(f.name for f in COMPUTED)
KINDS = {"department": "departments", "category": "categories", "brand": "brands"}
Row = dict[str, Any]


def profiles(spark: SparkSession, uris: dict[str, Sequence[str]], as_of: date, half_life: int = 90) -> pa.Table:
    """Compute the features that NAMES lists for every user with a transaction line before `as_of`.

    Args:
        spark: The session.
        uris: Addresses of the Parquet files of the tables `transactions` and `products`, by table.
        as_of: The day; only earlier transactions count.
        half_life: Days after which a purchase counts half in the user's tastes.

    Returns:
        One row per user: user_id and a column for each name of NAMES.
    """
    spark.sparkContext.addPyFile(__file__)  # workers import this module
    schema = from_arrow_schema(pa.schema([("user_id", pa.string()), *((f.name, f.type) for f in COMPUTED)]))
    lines = _lines(spark, uris, as_of)
    return lines.groupBy("user_id").applyInPandas(_of_user(half_life, ("Private",)), schema).toArrow()


def _lines(spark: SparkSession, uris: dict[str, Sequence[str]], as_of: date) -> DataFrame:
    """Return the valid transaction lines before `as_of`, one per key, joined with the catalogue."""
    keys = ("basket_id", "product_id", "user_id")
    rows = spark.read.parquet(*uris["transactions"])
    for name in keys:
        rows = rows.where(F.trim(name) != "")
    rows = rows.where("transaction_at is not null and quantity is not null and sales_value is not null")
    day = F.to_date("transaction_at")
    coupon = _cents("coupon_discount") + _cents("coupon_match_discount")
    products = spark.read.parquet(*uris["products"]).select("product_id", *KINDS, F.lit(True).alias("known"))
    rows = rows.withColumn("line_number", F.coalesce("line_number", F.lit(1)))
    return (
        rows.dropDuplicates(["basket_id", "product_id", "line_number"])
        .where(day < F.lit(as_of))
        .select(
            *keys,
            F.datediff(F.lit(as_of), day).alias("age"),
            F.weekday(day).alias("weekday"),
            (F.year(day) * 12 + F.month(day)).alias("month"),
            F.hour("transaction_at").alias("hour"),
            "quantity",
            _cents("sales_value").alias("cents"),
            (_cents("retail_discount") + coupon).alias("discount"),
            coupon.alias("coupon"),
        )
        .join(F.broadcast(products), "product_id", "left")
    )


def _cents(name: str) -> Column:
    """Return an expression for a column of money in whole cents; 0 for null."""
    return F.coalesce((F.col(name) * 100).cast("bigint"), F.lit(0))


def _of_user(half_life: int, private_brands: Sequence[str]) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Return the function that computes one row of features from all lines of a user.

    Args:
        half_life: Days after which a purchase counts half.
        private_brands: Brands of the shop itself.
    """

    def of_user(lines: pd.DataFrame) -> pd.DataFrame:
        """Compute the features of one user, as a table of one row, from all transaction lines of the user."""
        bought = lines[(lines["quantity"] >= 0) & (lines["cents"] >= 0)]
        row: Row = {"user_id": lines["user_id"].iloc[0]}
        row |= _activity(lines, bought)
        row |= _affinity(lines, bought, half_life)
        row |= _price_and_returns(lines, bought, private_brands)
        return pd.DataFrame([[row[name] for name in ("user_id", *NAMES)]], columns=["user_id", *NAMES])

    return of_user


def _activity(lines: pd.DataFrame, bought: pd.DataFrame) -> Row:
    """Return the features of recency, frequency and money, baskets and rhythm.

    Args:
        lines: All lines of a user.
        bought: Those that are purchases, not returns.
    """
    baskets = bought.groupby(["age", "basket_id"]).agg(
        cents=("cents", "sum"),
        units=("quantity", "sum"),
        lines=("cents", "size"),
        hour=("hour", "min"),
        weekday=("weekday", "first"),
    )
    age = baskets.index.get_level_values("age").to_numpy()
    days = np.unique(age)
    gaps = np.diff(days)
    units = lines["quantity"].clip(lower=0).where(lines["cents"] >= 0, 0)
    row: Row = {
        "days_since_last": int(days[0]) if len(days) else None,
        "days_since_first": int(days[-1]) if len(days) else None,
        "active_months": bought["month"].nunique(),
        "basket_spend_max": _money(baskets["cents"].max()) if len(baskets) else None,
        "basket_lines_mean": _mean(baskets["lines"]),
    }
    for name, window in WINDOWS.items():
        recent = lines["age"] <= (window or np.inf)
        row[f"sales_{name}"] = _money(lines["cents"][recent].sum())
        row[f"units_{name}"] = int(units[recent].sum())
        row[f"baskets_{name}"] = int((age <= (window or np.inf)).sum())
        row[f"active_days_{name}"] = int((days <= (window or np.inf)).sum())
    quarter = float(row["sales_90d"])
    row["sales_trend"] = 3 * float(row["sales_30d"]) / quarter if quarter > 0 else None
    for name, values in (("spend", baskets["cents"] / 100), ("units", baskets["units"])):
        row[f"basket_{name}_mean"], row[f"basket_{name}_sd"] = _mean(values), _sd(values)
    mean, sd = _mean(gaps), _sd(gaps)
    row["interval_mean"], row["interval_sd"] = mean, sd
    row["interval_regularity"] = None if sd is None or mean is None else 1 / (1 + sd / mean)
    row["overdue_ratio"] = None if mean is None else row["days_since_last"] / mean
    for number, name in enumerate(WEEKDAYS):
        row[f"weekday_share_{name}"] = _mean(baskets["weekday"] == number)
    for name, (low, high) in DAYPARTS.items():
        row[f"daypart_share_{name}"] = _mean((baskets["hour"] >= low) & (baskets["hour"] < high))
    return row


def _affinity(lines: pd.DataFrame, bought: pd.DataFrame, half_life: int) -> Row:
    """Return the features of a user's tastes: money by product, department, category and brand.

    Args:
        lines: All lines of a user.
        bought: Those that are purchases, not returns.
        half_life: Days after which the money of a purchase counts half.
    """
    weight = np.floor(2.0**30 * 2.0 ** (-bought["age"] / half_life) + 0.5).astype("int64")
    bought = bought.assign(decayed=bought["cents"] * weight)
    days = bought.groupby("product_id")["age"].nunique()
    row: Row = {
        "top_products": _top(bought.groupby("product_id")["decayed"].sum()),
        "products_bought": len(days),
        "repeat_product_share": _mean(days >= 2),
        "unknown_product_sales": _money(lines["cents"][lines["known"].isna()].sum()),
    }
    for one, many in KINDS.items():
        summed = bought.groupby(bought[one].fillna("unknown"))["decayed"].sum().clip(lower=0)
        share = (summed / summed.sum())[summed > 0]
        row[f"top_{many}"] = _top(summed)
        row[f"top_{one}_share"] = float(share.max()) if len(share) else None
        row[f"{one}_entropy"] = float(max(0.0, -(share * np.log(share)).sum())) if len(share) else None
        row[f"{many}_bought"] = len(summed)
    return row


def _price_and_returns(lines: pd.DataFrame, bought: pd.DataFrame, private_brands: Sequence[str]) -> Row:
    """Return the features of discounts, private brands and returns.

    Args:
        lines: All lines of a user.
        bought: Those that are purchases, not returns.
        private_brands: Brands of the shop itself.
    """
    given = lines[(lines["quantity"] < 0) | (lines["cents"] < 0)]
    spent, discount = int(bought["cents"].sum()), int(bought["discount"].sum())
    branded = int(bought["cents"][bought["brand"].notna()].sum())
    private = int(bought["cents"][bought["brand"].isin(private_brands)].sum())
    return {
        "discount_all": _money(discount),
        "discount_share": discount / (discount + spent) if discount + spent > 0 else None,
        "discounted_line_share": _mean(bought["discount"] > 0),
        "coupon_line_share": _mean(bought["coupon"] > 0),
        "private_label_share": private / branded if branded > 0 else None,
        "return_lines": len(given),
        "returned_units": int(given["quantity"].abs().sum()),
        "returned_value": _money(-given["cents"].sum()),
        "return_line_share": len(given) / len(lines),
    }


def _top(money: pd.Series) -> list[str]:
    """Return at most five names with the most money, highest first; ties in alphabetical order.

    Args:
        money: Money by name; names without a positive amount are left out.
    """
    order = sorted((-value, name) for name, value in money.items() if value > 0)
    return [str(name) for _, name in order[:5]]


def _money(cents: Any) -> Decimal:
    """Return cents as a decimal amount (1250 -> 12.50)."""
    return Decimal(int(cents)).scaleb(-2)


def _mean(values: Any) -> float | None:
    """Return the mean of values; None if there are none."""
    return float(values.mean()) if len(values) else None


def _sd(values: Any) -> float | None:
    """Return the sample standard deviation of values; None for fewer than two."""
    return float(values.std(ddof=1)) if len(values) > 1 else None


def compared(got: pa.Table, expected: pa.Table, names: Sequence[str] = NAMES) -> str:
    """Compare features with the published profiles of the same users, and describe the differences in one line.

    Args:
        got: The computed features, one row per user.
        expected: The published rows of user_profiles.
        names: The features to compare.
    """
    actual = {row["user_id"]: row for row in got.to_pylist()}
    published = {row["user_id"]: row for row in expected.select(["user_id", *names]).to_pylist()}
    greatest, where, different = 0.0, "", dict[str, int]()
    for user, row in actual.items():
        for feature in (f for f in FEATURES if f.name in names):
            a, b = row[feature.name], published[user][feature.name]
            if pa.types.is_floating(feature.type) and a is not None and b is not None:
                difference = abs(a - b) / max(1.0, abs(b))
                if difference > greatest:
                    greatest, where = difference, feature.name
            elif a != b:
                different[feature.name] = different.get(feature.name, 0) + 1
    absent = set(published) - set(actual)
    missing = [u for u in absent if published[u]["sales_all"] or published[u]["baskets_all"]]
    return (
        f"{len(names)} features of {len(actual):,} users compared, "
        f"{sum(different.values())} exact values differ {different or ''}, greatest difference of a ratio "
        f"{greatest:.1e} {where}, {len(missing)} buyers missing"
    )
