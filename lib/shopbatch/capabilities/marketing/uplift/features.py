"""Features of a user on a day: how recently, how often and for how much the user had bought before that day.

`train_uplift` learns from them and `plan_campaigns` predicts with them. They are computed from `user_daily` alone, so
they exist for every past day, and are the same for learning and for planning. No demographic data are used.
"""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl

from shopbatch.capabilities.marketing.campaigns.outcomes import scan
from shopbatch.core.errors import UserError
from shopbatch.warehouse.snapshot import Snapshot

_WINDOWS = (28, 90, 365)  # days before the reference day
_FAR = 3650  # days since the last purchase of a user who never bought
_COLUMNS = ("baskets", "sales_cents", "purchase_cents", "discount_cents", "lines", "coupon_lines", "return_lines")
FEATURES = (
    "never_bought", "days_since_last", "days_since_first",
    *(f"{name}_{days}" for days in _WINDOWS for name in ("baskets", "sales")),
    "basket_mean", "discount_share", "coupon_share", "return_share",
)  # fmt: skip


def features(daily: Snapshot, people: pl.DataFrame) -> np.ndarray:
    """Return the features of each user before the user's reference day.

    Args:
        daily: `user_daily`, the daily sums of each user.
        people: Rows with `user_id` and `day` (the reference day, which is itself left out).

    Returns:
        One row per row of `people` and one column per name of FEATURES, float64 [n, len(FEATURES)], never nan. Counts,
        money and days are log(1 + x) (for negative money -log(1 - x)); a user who never bought has 3,650 days since the
        last purchase and `never_bought` 1.

    Raises:
        UserError: `people` is empty.
    """
    last = people["day"].max()
    if not isinstance(last, date):
        raise UserError("there are no users to look at")
    keyed = people.select("user_id", "day").with_row_index("row")
    tiles = scan(daily).filter(pl.col("day") < last + timedelta(days=1)).rename({"day": "on"})
    joined = (
        tiles.select("user_id", "on", *_COLUMNS).join(keyed.lazy(), on="user_id").filter(pl.col("on") < pl.col("day"))
    )
    age = (pl.col("day") - pl.col("on")).dt.total_days()
    bought = pl.col("baskets") > 0
    sums = [pl.col(name).sum().cast(pl.Float64).alias(name) for name in _COLUMNS]
    for days in _WINDOWS:
        inside = age <= days
        sums.append(
            pl.when(inside).then(pl.col("baskets")).otherwise(0).sum().cast(pl.Float64).alias(f"baskets_{days}")
        )
        cents = pl.when(inside).then(pl.col("sales_cents")).otherwise(0).sum().cast(pl.Float64)
        sums.append((cents / 100).alias(f"sales_{days}"))
    recent = [
        pl.when(bought).then(age).min().cast(pl.Float64).alias("days_since_last"),
        pl.when(bought).then(age).max().cast(pl.Float64).alias("days_since_first"),
    ]
    totals = joined.group_by("row").agg(*recent, *sums).collect(engine="streaming")
    frame = keyed.join(totals, on="row", how="left", maintain_order="left")
    return _matrix(frame)


def _matrix(frame: pl.DataFrame) -> np.ndarray:
    never = pl.col("days_since_last").is_null()
    share = {
        "discount_share": pl.col("discount_cents") / (pl.col("discount_cents") + pl.col("purchase_cents")),
        "coupon_share": pl.col("coupon_lines") / pl.col("lines"),
        "return_share": pl.col("return_lines") / (pl.col("return_lines") + pl.col("lines")),
    }
    columns = [
        never.cast(pl.Float64).alias("never_bought"),
        *(_log(pl.col(name).fill_null(_FAR)).alias(name) for name in ("days_since_last", "days_since_first")),
        *(_log(pl.col(f"{name}_{days}")).alias(f"{name}_{days}") for days in _WINDOWS for name in ("baskets", "sales")),
        _log(pl.col("purchase_cents") / 100 / pl.col("baskets")).alias("basket_mean"),
        *(each.clip(-1.0, 1.0).alias(name) for name, each in share.items()),
    ]
    clean = frame.select(columns).select(pl.all().fill_nan(0.0).fill_null(0.0))
    return np.ascontiguousarray(clean.select(FEATURES).to_numpy(), np.float64)


def _log(value: pl.Expr) -> pl.Expr:
    return value.sign() * value.abs().log1p()
