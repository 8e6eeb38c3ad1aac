"""Do the forecasts of user_profiles hold for every group of users? buy_probability_30d beside what happened."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.evaluation.proportions import score_interval
from shopbatch.runs.report import Report
from shopbatch.tables.bias_audit import EVERY, OUTLOOK
from shopbatch.tables.transactions import TRANSACTIONS
from shopbatch.tables.user_profiles import USER_PROFILES
from shopbatch.warehouse.snapshot import Snapshot
from shopbatch.warehouse.store import Store

AHEAD = 30  # days that are forecast
GROUPS = ("age", "income", "household_size")
_COLUMNS = ("user_id", "buy_probability_30d", *GROUPS)


def audit_outlook(store: Store, report: Report, least: int) -> list[dict[str, Any]]:
    """Compare forecasts with what happened, on the newest as_of day that has a whole month after it.

    Args:
        store: The warehouse.
        report: Gets the day, or why nothing was compared.
        least: Users that a group needs to be shown.

    Returns:
        Rows of bias_audit without the run; empty where the tables do not hold it.
    """
    profiles, transactions = store.find(USER_PROFILES.name), store.find(TRANSACTIONS.name)
    if profiles is None or transactions is None:
        report.metrics["outlook"] = "not compared: user_profiles and transactions are needed"
        return []
    day = _day(profiles, transactions)
    if day is None:
        report.metrics["outlook"] = (
            f"not compared: no as_of day of user_profiles has {AHEAD} days of transactions after it"
        )
        return []
    report.tables |= {each.name: {"read": each.version} for each in (profiles, transactions)}
    users = pl.DataFrame(profiles.part({"as_of": day.isoformat()}).read(list(_COLUMNS)))
    users = users.filter(pl.col("buy_probability_30d").is_not_null())
    bought = pl.Series("user_id", sorted(_buyers(transactions, day)), pl.String)
    users = users.with_columns(pl.col("user_id").is_in(bought.implode()).alias("bought"))
    report.metrics["outlook"] = {"as_of": day.isoformat(), "users": users.height}
    return [row for group in GROUPS for row in _rows(users, group, least)]


def _day(profiles: Snapshot, transactions: Snapshot) -> date | None:
    """The newest as_of day with AHEAD days of transactions after it."""
    newest = max((high for _, high in transactions.bounds("transaction_at").values()), default=None)
    if newest is None:
        return None
    last = newest.date() if isinstance(newest, datetime) else date.fromisoformat(str(newest)[:10])
    days = {date.fromisoformat(str(file.partition["as_of"])) for file in profiles.files}
    return max((day for day in days if day + timedelta(days=AHEAD) <= last), default=None)


def _buyers(transactions: Snapshot, day: date) -> set[str]:
    """The users with a transaction in the AHEAD days from a day on; each file is read where it lies."""
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    at, status = pc.field("transaction_at"), pc.field("order_status")
    inside = (at >= pa.scalar(start)) & (at < pa.scalar(start + timedelta(days=AHEAD))) & pc.field("user_id").is_valid()
    inside &= (pc.field("quantity") > 0) & (status.is_null() | (status != "cancelled"))  # as the forecast counts them
    dataset = transactions.dataset(("user_id",), inside).map_batches(_distinct, batch_format="pyarrow", batch_size=None)
    blocks = dataset.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0)
    return {user for block in blocks for user in block["user_id"].to_pylist()}


def _distinct(batch: pa.Table) -> pa.Table:
    return pa.table({"user_id": batch["user_id"].unique()})


def _rows(users: pl.DataFrame, group: str, least: int) -> Iterator[dict[str, Any]]:
    """The mean forecast of each band minus the share that bought; the interval is that of the share (Wilson)."""
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
