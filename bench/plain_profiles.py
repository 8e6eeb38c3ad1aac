"""Compute user features in Polars and in plain PySpark, as competitors of the job build_user_profiles.

bench/user_profiles.py measures them. The code is written as one would write it by hand. Both compute the features that
NAMES lists: money, units, baskets and active days by window, recency, baskets, week and day, products, prices and
returns.

They do less than the job: they leave out features that need all users or other tables, do not know cancelled or
refunded lines, check nothing and write no table. Of several rows with one key they keep any one, not the latest.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl
import pyarrow as pa
from pyspark.sql import SparkSession

from shopbatch.tables.user_profiles import DAYPARTS, WEEKDAYS, WINDOWS

FOREVER = 10**6
AGES = {name: days or FOREVER for name, days in WINDOWS.items()}
MONEY = ("basket_spend_max", "unknown_product_sales", "discount_all", "returned_value", *(f"sales_{n}" for n in AGES))
NAMES = (
    *("days_since_last", "days_since_first", "active_months"),
    *(f"{what}_{name}" for what in ("sales", "units", "baskets", "active_days") for name in AGES),
    *("basket_spend_max", "basket_spend_mean", "basket_spend_sd", "basket_units_mean", "basket_units_sd"),
    *("basket_lines_mean", "products_bought", "repeat_product_share", "unknown_product_sales"),
    *(f"weekday_share_{name}" for name in WEEKDAYS),
    *(f"daypart_share_{name}" for name in DAYPARTS),
    *("discount_all", "discount_share", "discounted_line_share", "coupon_line_share", "private_label_share"),
    *("return_lines", "returned_units", "returned_value", "return_line_share"),
)


def by_polars(uris: dict[str, Sequence[str]], as_of: date) -> pa.Table:
    """Compute the features that NAMES lists with Polars on all cores, by a lazy query.

    Args:
        uris: Addresses of the Parquet files of the tables `transactions` and `products`, by table.
        as_of: The day; only earlier transactions count.

    Returns:
        One row per user: user_id and a column for each name of NAMES.
    """

    def cents(name: str) -> pl.Expr:
        return (pl.col(name) * 100).cast(pl.Int64).fill_null(0)

    day, coupon = pl.col("transaction_at").dt.date(), cents("coupon_discount") + cents("coupon_match_discount")
    products = pl.scan_parquet(list(uris["products"])).select("product_id", "brand", known=pl.lit(True))
    lines = (
        pl.scan_parquet(list(uris["transactions"]))
        .with_columns(pl.col("line_number").fill_null(1))
        .filter(pl.all_horizontal(pl.col("basket_id", "product_id", "user_id").str.strip_chars() != ""))
        .drop_nulls(["transaction_at", "quantity", "sales_value"])
        .unique(["basket_id", "product_id", "line_number"], keep="any")
        .filter(day < as_of)
        .select(
            *("basket_id", "product_id", "user_id", "quantity"),
            age=(pl.lit(as_of) - day).dt.total_days(),
            weekday=day.dt.weekday() - 1,
            month=day.dt.year() * 12 + day.dt.month(),
            hour=pl.col("transaction_at").dt.hour(),
            cents=cents("sales_value"),
            discount=cents("retail_discount") + coupon,
            coupon=coupon,
        )
        .join(products, on="product_id", how="left")
        .with_columns(bought=(pl.col("quantity") >= 0) & (pl.col("cents") >= 0))
    )
    parts = [_lines(lines), _baskets(lines), _products(lines)]
    joined = parts[0]
    for part in parts[1:]:
        joined = joined.join(part, on="user_id", how="left")
    counts = [pl.col(f"{what}_{name}").fill_null(0) for what in ("baskets", "active_days") for name in AGES]
    zero = [pl.col(name).fill_null(0) for name in ("active_months", "products_bought")]
    return _money(joined.with_columns(*counts, *zero).collect().to_arrow(compat_level=pl.CompatLevel.oldest()))


def _lines(lines: pl.LazyFrame) -> pl.LazyFrame:
    """Return features that sum up a user's transaction lines (money, units, discounts, returns), a row per user."""
    bought, given = pl.col("bought"), ~pl.col("bought")
    spent, discount = pl.col("cents").filter(bought).sum(), pl.col("discount").filter(bought).sum()
    branded = pl.col("cents").filter(bought & pl.col("brand").is_not_null()).sum()
    private = pl.col("cents").filter(bought & (pl.col("brand") == "Private")).sum()
    windows = [
        expression
        for name, age in AGES.items()
        for expression in (
            pl.col("cents").filter(pl.col("age") <= age).sum().alias(f"sales_{name}"),
            pl.col("quantity").filter(bought & (pl.col("age") <= age)).sum().alias(f"units_{name}"),
        )
    ]
    return lines.group_by("user_id").agg(
        *windows,
        unknown_product_sales=pl.col("cents").filter(pl.col("known").is_null()).sum(),
        discount_all=discount,
        discount_share=pl.when(discount + spent > 0).then(discount / (discount + spent)),
        discounted_line_share=(pl.col("discount").filter(bought) > 0).mean(),
        coupon_line_share=(pl.col("coupon").filter(bought) > 0).mean(),
        private_label_share=pl.when(branded > 0).then(private / branded),
        return_lines=given.sum().cast(pl.Int64),
        returned_units=pl.col("quantity").filter(given).abs().sum(),
        returned_value=-pl.col("cents").filter(given).sum(),
        return_line_share=given.mean(),
    )


def _baskets(lines: pl.LazyFrame) -> pl.LazyFrame:
    """Return the features of a user's baskets (recency, frequency, size, weekday, daypart), one row per user."""
    baskets = (
        lines.filter("bought")
        .group_by("user_id", "age", "basket_id")
        .agg(
            pl.col("cents", "quantity").sum(),
            pl.col("hour").min(),
            pl.col("weekday", "month").first(),
            lines=pl.len(),
        )
    )
    age, spend = pl.col("age"), pl.col("cents") / 100
    dayparts = [
        ((pl.col("hour") >= low) & (pl.col("hour") < high)).mean().alias(f"daypart_share_{name}")
        for name, (low, high) in DAYPARTS.items()
    ]
    return baskets.group_by("user_id").agg(
        *((age <= days).sum().cast(pl.Int64).alias(f"baskets_{name}") for name, days in AGES.items()),
        *(
            age.filter(age <= days).n_unique().cast(pl.Int64).alias(f"active_days_{name}")
            for name, days in AGES.items()
        ),
        *((pl.col("weekday") == n).mean().alias(f"weekday_share_{name}") for n, name in enumerate(WEEKDAYS)),
        *dayparts,
        days_since_last=age.min(),
        days_since_first=age.max(),
        active_months=pl.col("month").n_unique().cast(pl.Int64),
        basket_spend_max=pl.col("cents").max(),
        basket_spend_mean=spend.mean(),
        basket_spend_sd=spend.std(),
        basket_units_mean=pl.col("quantity").mean(),
        basket_units_sd=pl.col("quantity").std(),
        basket_lines_mean=pl.col("lines").mean(),
    )


def _products(lines: pl.LazyFrame) -> pl.LazyFrame:
    """Return the number of different products that each user bought, and the share bought on several days."""
    days = lines.filter("bought").group_by("user_id", "product_id").agg(pl.col("age").n_unique())
    return days.group_by("user_id").agg(
        products_bought=pl.len().cast(pl.Int64), repeat_product_share=(pl.col("age") >= 2).mean()
    )


def by_spark(spark: SparkSession, uris: dict[str, Sequence[str]], as_of: date) -> pa.Table:
    """Compute the features that NAMES lists with Spark SQL in an open session.

    Args:
        spark: The session.
        uris: Addresses of the Parquet files of the tables `transactions` and `products`, by table.
        as_of: The day; only earlier transactions count.

    Returns:
        One row per user: user_id and a column for each name of NAMES.
    """
    spark.read.parquet(*uris["transactions"]).createOrReplaceTempView("plain_transactions")
    spark.read.parquet(*uris["products"]).createOrReplaceTempView("plain_products")
    spark.sql(_LINES.format(as_of=as_of)).createOrReplaceTempView("plain_lines")
    return _money(spark.sql(_features()).toArrow())


_CENTS = "coalesce(cast({} * 100 as bigint), 0)"
_COUPON = f"{_CENTS.format('coupon_discount')} + {_CENTS.format('coupon_match_discount')}"
_LINES = f"""
with once as (
  select *, row_number() over (partition by basket_id, product_id, coalesce(line_number, 1) order by transaction_at)
    as nth
  from plain_transactions
  where trim(basket_id) != '' and trim(product_id) != '' and trim(user_id) != ''
    and transaction_at is not null and quantity is not null and sales_value is not null
    and to_date(transaction_at) < date'{{as_of}}'
)
select basket_id, once.product_id, user_id, quantity,
  datediff(date'{{as_of}}', to_date(transaction_at)) as age, weekday(transaction_at) as weekday,
  year(transaction_at) * 12 + month(transaction_at) as month, hour(transaction_at) as hour,
  {_CENTS.format("sales_value")} as cents, {_CENTS.format("retail_discount")} + {_COUPON} as discount,
  {_COUPON} as coupon, brand, p.product_id is not null as known,
  quantity >= 0 and {_CENTS.format("sales_value")} >= 0 as bought
from once left join plain_products p on once.product_id = p.product_id
where nth = 1
"""


def _features() -> str:
    """Return the SQL query that computes all features from `plain_lines`, the view of valid transaction lines."""

    def where(value: str, condition: str) -> str:
        return f"coalesce(sum({value}) filter (where {condition}), 0)"

    def share(condition: str, among: str = "true") -> str:
        return f"avg(case when {condition} then 1.0D else 0.0D end) filter (where {among})"

    def ratio(above: str, below: str) -> str:
        return f"case when {below} > 0 then cast({above} as double) / ({below}) end"

    spent, discount = where("cents", "bought"), where("discount", "bought")
    branded, private = where("cents", "bought and brand is not null"), where("cents", "bought and brand = 'Private'")
    lines = {
        **{f"sales_{n}": where("cents", f"age <= {a}") for n, a in AGES.items()},
        **{f"units_{n}": where("quantity", f"bought and age <= {a}") for n, a in AGES.items()},
        "unknown_product_sales": where("cents", "not known"),
        "discount_all": discount,
        "discount_share": ratio(discount, f"{discount} + {spent}"),
        "discounted_line_share": share("discount > 0", "bought"),
        "coupon_line_share": share("coupon > 0", "bought"),
        "private_label_share": ratio(private, branded),
        "return_lines": "count_if(not bought)",
        "returned_units": where("abs(quantity)", "not bought"),
        "returned_value": f"-{where('cents', 'not bought')}",
        "return_line_share": share("not bought"),
    }
    baskets = {
        **{f"baskets_{n}": f"count_if(age <= {a})" for n, a in AGES.items()},
        **{f"active_days_{n}": f"count(distinct case when age <= {a} then age end)" for n, a in AGES.items()},
        **{f"weekday_share_{n}": share(f"weekday = {i}") for i, n in enumerate(WEEKDAYS)},
        **{f"daypart_share_{n}": share(f"hour >= {a} and hour < {b}") for n, (a, b) in DAYPARTS.items()},
        **{"days_since_last": "min(age)", "days_since_first": "max(age)", "active_months": "count(distinct month)"},
        **{"basket_spend_max": "max(cents)", "basket_spend_mean": "avg(cents / 100.0D)"},
        **{"basket_spend_sd": "stddev_samp(cents / 100.0D)", "basket_units_mean": "avg(units)"},
        **{"basket_units_sd": "stddev_samp(units)", "basket_lines_mean": "avg(lines)"},
    }
    of_products = {"products_bought": "count(*)", "repeat_product_share": share("days >= 2")}

    def listed(columns: dict[str, str]) -> str:
        return ", ".join(f"{value} as {name}" for name, value in columns.items())

    zero = {n for n in baskets if n.startswith(("baskets_", "active_"))} | {"products_bought"}
    chosen = ", ".join(f"coalesce({n}, 0) as {n}" if n in zero else n for n in NAMES)
    return f"""
    with l as (select user_id, {listed(lines)} from plain_lines group by user_id),
    one as (select user_id, age, basket_id, sum(cents) as cents, sum(quantity) as units, count(*) as lines,
      min(hour) as hour, first(weekday) as weekday, first(month) as month
      from plain_lines where bought group by user_id, age, basket_id),
    b as (select user_id as b_user, {listed(baskets)} from one group by user_id),
    days as (select user_id, product_id, count(distinct age) as days from plain_lines where bought
      group by user_id, product_id),
    p as (select user_id as p_user, {listed(of_products)} from days group by user_id)
    select user_id, {chosen} from l left join b on user_id = b_user left join p on user_id = p_user
    """


def _money(rows: pa.Table) -> pa.Table:
    """Select user_id and the features of NAMES; convert those of MONEY from cents to decimals (1250 -> 12.50)."""
    columns: dict[str, Any] = {"user_id": rows["user_id"].cast(pa.string())}
    for name in NAMES:
        column = rows[name]
        if name in MONEY:
            whole = column.cast(pa.int64()).to_pylist()
            amounts = [None if cents is None else Decimal(cents).scaleb(-2) for cents in whole]
            column = pa.array(amounts, pa.decimal128(18, 2))
        columns[name] = column
    return pa.table(columns)
