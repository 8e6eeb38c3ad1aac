"""Sums of what each user did before and after a reference day of their own, from the daily tiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import polars as pl

from shopbatch.core.errors import UserError
from shopbatch.tables.campaign_plan import CAMPAIGN_PLAN
from shopbatch.tables.campaigns import CAMPAIGNS
from shopbatch.tables.experiments import EXPERIMENTS
from shopbatch.tables.user_daily import USER_DAILY
from shopbatch.warehouse import files
from shopbatch.warehouse.publish import rows_of
from shopbatch.warehouse.snapshot import Snapshot
from shopbatch.warehouse.store import Store

SUMS = ("bought", "sales", "baskets")  # columns of each period
_SUBJECTS = ("experiment_id", "user_id", "arm", "probability", "day")
_WEEK = 7


@dataclass(frozen=True)
class Sources:
    """The pinned tables.

    Attributes:
        daily: The daily tiles of the users.
        experiments, campaigns, plan: None where there is no such table.
    """

    daily: Snapshot
    experiments: Snapshot | None
    campaigns: Snapshot | None
    plan: Snapshot | None

    @property
    def versions(self) -> dict[str, dict[str, int]]:
        """What a report says of the tables."""
        pinned = (self.daily, self.experiments, self.campaigns, self.plan)
        return {s.name: {"read": s.version} for s in pinned if s is not None}

    @property
    def rows(self) -> dict[str, int]:
        """Rows of each table; 0 for one that is not there."""
        names = (USER_DAILY.name, EXPERIMENTS.name, CAMPAIGNS.name, CAMPAIGN_PLAN.name)
        return rows_of(dict(zip(names, (self.daily, self.experiments, self.campaigns, self.plan), strict=True)))

    @property
    def identity(self) -> dict[str, Any]:
        """What a result depends on: each table and its version."""
        pinned = (self.daily, self.experiments, self.campaigns, self.plan)
        return {s.name: [s.table_id, s.version] for s in pinned if s is not None}


def pin(store: Store) -> Sources:
    """Pin the tables. UserError: `user_daily` is missing."""
    return Sources(
        store.require(USER_DAILY, ("user_id", "day", "baskets", "sales_cents")),
        _pinned(store.find(EXPERIMENTS.name)),
        _pinned(store.find(CAMPAIGNS.name)),
        _pinned(store.find(CAMPAIGN_PLAN.name)),
    )


def _pinned(snapshot: Snapshot | None) -> Snapshot | None:
    return snapshot if snapshot is not None and snapshot.rows else None


def last_day(daily: Snapshot) -> date:
    """Return the last day with a tile. UserError: there is none."""
    newest = scan(daily).select(pl.col("day").max()).collect(engine="streaming").item()
    if not isinstance(newest, date):
        raise UserError("table 'user_daily' has no rows: shopbatch run build_user_profiles")
    return newest


def scan(snapshot: Snapshot) -> pl.LazyFrame:
    """Return the rows of a snapshot as a lazy frame; a partition column is none of its columns."""
    schema = snapshot.schema
    parts = {name for file in snapshot.files for name in file.partition}
    for name in parts:
        schema = schema.remove(schema.get_field_index(name))
    return files.scan([file.uri for file in snapshot.files], schema)


def subjects(sources: Sources, timezone: str, wanted: Sequence[str] = ()) -> pl.DataFrame:
    """Return who was drawn for what: the experiments, and the hold-outs of plans that were sent.

    A plan counts as sent once `campaigns` says that anybody received its campaign. Whoever was to be addressed counts
    as addressed: only so the arms stay as chance has drawn them.

    Args:
        sources: The tables.
        timezone: The shop's; an assignment's day is a day of it.
        wanted: Names of the experiments; () for all.

    Returns:
        Columns experiment_id, user_id, arm, probability, day; one row per experiment and user, in that order.
    """
    frames = []
    if sources.experiments is not None:
        drawn = pl.col("assigned_at").dt.convert_time_zone(timezone).dt.date().alias("day")
        frames.append(scan(sources.experiments).select(*_SUBJECTS[:-1], drawn))
    if sources.plan is not None and sources.campaigns is not None:
        sent = scan(sources.campaigns).select("campaign_id").unique()
        begin = pl.col("send_from").dt.convert_time_zone(timezone).dt.date().alias("day")
        plan = scan(sources.plan).join(sent, on="campaign_id", how="semi")
        names = (pl.col("campaign_id").alias("experiment_id"), *_SUBJECTS[1:-1])
        frames.append(plan.select(*names, begin))
    if not frames:
        return pl.DataFrame(schema={name: pl.String for name in _SUBJECTS})
    whole = pl.concat(frames, how="vertical_relaxed").filter(pl.col("probability").is_between(0, 1, closed="none"))
    if wanted:
        whole = whole.filter(pl.col("experiment_id").is_in(list(wanted)))
    return whole.sort("experiment_id", "user_id").collect(engine="streaming")


def deeds(daily: Snapshot, people: pl.DataFrame, before: int, window: int, weekly: bool = False) -> pl.DataFrame:
    """Sum up what each user did in the days before a day and from that day on.

    Args:
        daily: The daily tiles.
        people: Rows with `user_id` and `day`.
        before: Days before the day that count.
        window: Days from the day on that count.
        weekly: Whether to sum up each whole week, too.

    Returns:
        `people` in its order with, for each of SUMS, `before_<name>` and `<name>`, and if `weekly` also `<name>_1`, ...
        for the weeks from the day on and `<name>_-1`, ... for those before it, backwards; money in the shop's currency;
        float64, 0 where nothing was bought.
    """
    first, last = people["day"].min(), people["day"].max()
    if not isinstance(first, date) or not isinstance(last, date):
        raise UserError("nobody was drawn for anything")
    keyed = people.with_row_index("row")
    near = pl.col("day").is_between(first - timedelta(days=before), last + timedelta(days=window))
    tiles = scan(daily).filter(near).select("user_id", pl.col("day").alias("on"), "baskets", "sales_cents")
    offset = (pl.col("on") - pl.col("day")).dt.total_days()
    joined = tiles.join(keyed.lazy().select("row", "user_id", "day"), on="user_id").with_columns(offset.alias("offset"))
    periods = {"before_{}": (-before, 0), "{}": (0, window)}
    if weekly:
        for week in weeks(before, window):
            begin = (week - 1 if week > 0 else week) * _WEEK
            periods[f"{{}}_{week}"] = (begin, begin + _WEEK)
    sums = [expression for label, period in periods.items() for expression in _sums(label, *period)]
    totals = joined.group_by("row").agg(sums).collect(engine="streaming")
    named = [column for column in totals.columns if column != "row"]
    return keyed.join(totals, on="row", how="left", maintain_order="left").drop("row").with_columns(
        pl.col(named).fill_null(0.0)
    )  # fmt: skip


def weeks(before: int, window: int) -> list[int]:
    """Number the whole weeks of both periods: ..., -2, -1 before the day, 1, 2, ... from it on."""
    return [*range(-(before // _WEEK), 0), *range(1, window // _WEEK + 1)]


def _sums(label: str, begin: int, end: int) -> list[pl.Expr]:
    """The sums over the days `begin` to `end` (apart) from the user's day."""
    inside = (pl.col("offset") >= begin) & (pl.col("offset") < end)
    baskets = pl.when(inside).then(pl.col("baskets")).otherwise(0).sum().cast(pl.Float64)
    cents = pl.when(inside).then(pl.col("sales_cents")).otherwise(0).sum().cast(pl.Float64)
    return [
        (baskets > 0).cast(pl.Float64).alias(label.format("bought")),
        (cents / 100).alias(label.format("sales")),
        baskets.alias(label.format("baskets")),
    ]
