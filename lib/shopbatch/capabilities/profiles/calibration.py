"""Compares buy_probability_30d of user_profiles with who then bought, by group of users. Used by `audit_bias`.

To buy means what it means in the forecast: a day with a basket in user_daily, in the shop's time zone.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from shopbatch.evaluation.proportions import score_interval
from shopbatch.runs.report import Report
from shopbatch.tables.bias_audit import EVERY, OUTLOOK
from shopbatch.tables.user_daily import USER_DAILY
from shopbatch.tables.user_profiles import USER_PROFILES
from shopbatch.warehouse import files
from shopbatch.warehouse.snapshot import Snapshot
from shopbatch.warehouse.store import Store

AHEAD = 30  # days that the forecast covers
GROUPS = ("age", "income", "household_size")
_COLUMNS = ("user_id", "buy_probability_30d", *GROUPS)


def audit_outlook(store: Store, report: Report, least: int) -> list[dict[str, Any]]:
    """Compare forecast and actual purchases by age, income and household size, and return one row per band of users.

    A band is one value of these columns, such as one age range. The forecasts are those of the newest `as_of` day that
    has 30 days of user_daily after it.

    Args:
        store: The warehouse.
        report: Its metric `outlook` is set to the compared day and number of users, or to the reason why nothing was
            compared.
        least: Smallest number of users that a band needs to be included.

    Returns:
        Rows of bias_audit (subject `outlook`) without the column `run_id`. The list is empty if user_profiles or
        user_daily is missing, or if no day has 30 days of user_daily after it.
    """
    profiles, daily = store.find(USER_PROFILES.name), store.find(USER_DAILY.name)
    if profiles is None or daily is None:
        report.metrics["outlook"] = "not compared: user_profiles and user_daily are needed"
        return []
    active = files.scan([file.uri for file in daily.files], daily.schema).filter(pl.col("baskets") > 0)
    day = _day(profiles, active.select(pl.col("day").max()).collect().item() if daily.files else None)
    if day is None:
        report.metrics["outlook"] = (
            f"not compared: no as_of day of user_profiles has {AHEAD} days of user_daily after it"
        )
        return []
    report.tables |= {each.name: {"read": each.version} for each in (profiles, daily)}
    users = pl.DataFrame(profiles.part({"as_of": day.isoformat()}).read(list(_COLUMNS)))
    users = users.filter(pl.col("buy_probability_30d").is_not_null())
    ahead = active.filter(pl.col("day").is_between(day, day + timedelta(days=AHEAD), closed="left"))
    bought = ahead.select(pl.col("user_id").unique(), bought=pl.lit(True)).collect(engine="streaming")
    users = users.join(bought, on="user_id", how="left").with_columns(pl.col("bought").fill_null(False))
    report.metrics["outlook"] = {"as_of": day.isoformat(), "users": users.height}
    return [row for group in GROUPS for row in _rows(users, group, least)]


def _day(profiles: Snapshot, newest: date | None) -> date | None:
    """Return the newest as_of day whose next AHEAD days are all over on the newest day with a purchase."""
    days = {date.fromisoformat(str(file.partition["as_of"])) for file in profiles.files}
    over = min(newest, datetime.now(UTC).date()) if newest else None  # a purchase in the future has a wrong date
    return max((day for day in days if over and day + timedelta(days=AHEAD) <= over), default=None)


def _rows(users: pl.DataFrame, group: str, least: int) -> Iterator[dict[str, Any]]:
    """Yield one row of bias_audit per band (value of the column `group`) that has at least `least` users.

    `shift` is the mean forecast minus the share of users who bought. `low` and `high` bound it by the 95 % Wilson
    interval of that share.

    Args:
        users: One row per user: the forecast `buy_probability_30d`, `bought` (bool), and the columns GROUPS.
        group: The column whose values are the bands: `age`, `income` or `household_size`.
        least: Smallest number of users of a band.
    """
    bands = users.filter(pl.col(group).is_not_null()).group_by(group)
    counted = bands.agg(pl.len().alias("n"), pl.col("buy_probability_30d").mean().alias("p"), pl.col("bought").sum())
    for row in counted.filter(pl.col("n") >= least).sort(group).to_dicts():
        low, high = score_interval(np.array([row["bought"]]), np.array([row["n"]]), 0.95)
        yield {
            "subject": OUTLOOK,
            "language": EVERY,
            "group": group,
            "term": row[group],
            "count": row["n"],
            "shift": row["p"] - row["bought"] / row["n"],
            "low": row["p"] - float(high[0]),
            "high": row["p"] - float(low[0]),
        }
