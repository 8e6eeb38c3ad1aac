"""Read experiments, campaigns and `user_daily`, and sum up what each user bought around a reference day.

The reference day of a user is mostly the day on which an arm was assigned. `measure_campaigns`, `train_uplift` and
`plan_campaigns` use these sums.
"""

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

SUMS = ("bought", "sales", "baskets")  # what is summed up over each period
_SUBJECTS = ("experiment_id", "user_id", "arm", "probability", "day")
_WEEK = 7


@dataclass(frozen=True)
class Sources:
    """The tables that a run reads, each pinned to one version.

    Attributes:
        daily: `user_daily`: the daily sums of each user (tiles).
        experiments: `experiments`: the arm of each user; None if the table is missing or empty.
        campaigns: `campaigns`: who was sent which campaign; None if the table is missing or empty.
        plan: `campaign_plan`: what `plan_campaigns` planned; None if the table is missing or empty.
    """

    daily: Snapshot
    experiments: Snapshot | None
    campaigns: Snapshot | None
    plan: Snapshot | None

    @property
    def versions(self) -> dict[str, dict[str, int]]:
        """Return the version of each table, as the run's report records it (`{"user_daily": {"read": 7}}`)."""
        pinned = (self.daily, self.experiments, self.campaigns, self.plan)
        return {s.name: {"read": s.version} for s in pinned if s is not None}

    @property
    def rows(self) -> dict[str, int]:
        """Return the number of rows by table, for the gates that refuse a shrunken source; 0 for a missing table."""
        names = (USER_DAILY.name, EXPERIMENTS.name, CAMPAIGNS.name, CAMPAIGN_PLAN.name)
        return rows_of(dict(zip(names, (self.daily, self.experiments, self.campaigns, self.plan), strict=True)))

    @property
    def identity(self) -> dict[str, Any]:
        """Return the id and version of each table; while they are the same, a run need not compute its result again."""
        pinned = (self.daily, self.experiments, self.campaigns, self.plan)
        return {s.name: [s.table_id, s.version] for s in pinned if s is not None}


def pin(store: Store) -> Sources:
    """Pin the newest version of each table. Raises UserError if `user_daily` is missing."""
    return Sources(
        store.require(USER_DAILY, ("user_id", "day", "baskets", "sales_cents")),
        _pinned(store.find(EXPERIMENTS.name)),
        _pinned(store.find(CAMPAIGNS.name)),
        _pinned(store.find(CAMPAIGN_PLAN.name)),
    )


def _pinned(snapshot: Snapshot | None) -> Snapshot | None:
    return snapshot if snapshot is not None and snapshot.rows else None


def last_day(daily: Snapshot) -> date:
    """Return the newest day in `user_daily`. Raises UserError if the table has no rows."""
    newest = scan(daily).select(pl.col("day").max()).collect(engine="streaming").item()
    if not isinstance(newest, date):
        raise UserError("table 'user_daily' has no rows: shopbatch run build_user_profiles")
    return newest


def scan(snapshot: Snapshot) -> pl.LazyFrame:
    """Return the rows of a snapshot as a lazy polars frame, without its partition columns."""
    schema = snapshot.schema
    parts = {name for file in snapshot.files for name in file.partition}
    for name in parts:
        schema = schema.remove(schema.get_field_index(name))
    return files.scan([file.uri for file in snapshot.files], schema)


def subjects(sources: Sources, timezone: str, wanted: Sequence[str] = ()) -> pl.DataFrame:
    """Return the users of every experiment with their arms, from the table `experiments` and from plans that were sent.

    A plan of `plan_campaigns` counts as an experiment, with its held-out users as the control, once `campaigns` says
    that anybody received its campaign. A user who was to be addressed is in the treated arm whether or not the message
    arrived, because only then are the arms as chance drew them (intention to treat). Rows whose probability is not
    between 0 and 1 are left out.

    Args:
        sources: The pinned tables.
        timezone: The shop's time zone, by which a moment of assignment becomes a calendar day.
        wanted: Names of the experiments; () for all.

    Returns:
        One row per experiment and user, sorted by both: experiment_id, user_id, arm, probability (of that arm), day (of
        the assignment).
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
    """Sum up what each user bought in the days before a reference day and in the days from it on.

    Args:
        daily: `user_daily`, the daily sums of each user.
        people: Rows with `user_id` and `day`, the user's reference day.
        before: Number of days before the reference day.
        window: Number of days from the reference day on.
        weekly: Whether to add the sums of each whole week, too.

    Returns:
        `people` in its order with, for each name of SUMS (bought: 1 if anything was bought, else 0; sales: money in the
        shop's currency; baskets: their number), the columns `before_<name>` and `<name>`. With `weekly` also
        `<name>_1`, `<name>_2`, ... for the weeks from the day on and `<name>_-1`, `<name>_-2`, ... for those before it,
        the nearest first. All float64; 0 where nothing was bought.

    Raises:
        UserError: `people` is empty.
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
    """Return the numbers of the whole weeks around the reference day: ..., -2, -1 before it, 1, 2, ... from it on.

    Args:
        before: Days before the reference day.
        window: Days from the reference day on.
    """
    return [*range(-(before // _WEEK), 0), *range(1, window // _WEEK + 1)]


def _sums(label: str, begin: int, end: int) -> list[pl.Expr]:
    """Return polars expressions that sum up the purchases of a user over a period, one for each name of SUMS.

    They read the column `offset`: the number of days from the user's reference day to the row's day.

    Args:
        label: Pattern of the columns' names, with `{}` for the name (`before_{}`).
        begin: First day of the period, counted from the reference day; negative before it.
        end: The day after the last one of the period.
    """
    inside = (pl.col("offset") >= begin) & (pl.col("offset") < end)
    baskets = pl.when(inside).then(pl.col("baskets")).otherwise(0).sum().cast(pl.Float64)
    cents = pl.when(inside).then(pl.col("sales_cents")).otherwise(0).sum().cast(pl.Float64)
    return [
        (baskets > 0).cast(pl.Float64).alias(label.format("bought")),
        (cents / 100).alias(label.format("sales")),
        baskets.alias(label.format("baskets")),
    ]
