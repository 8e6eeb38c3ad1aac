"""Read what `plan_campaigns` needs of each user: consent, time zone, former messages, exclusions, basket value."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from shopbatch.capabilities.marketing.campaigns.outcomes import scan
from shopbatch.capabilities.marketing.plan.audience import Cap
from shopbatch.capabilities.marketing.plan.config import PlanConfig
from shopbatch.capabilities.marketing.plan.quiet import Span, open_hours, span, zone, zones_of
from shopbatch.core.config import project_file
from shopbatch.core.errors import UserError
from shopbatch.tables.campaign_plan import CHANNELS
from shopbatch.warehouse.snapshot import Snapshot
from shopbatch.warehouse.store import Store

_TABLE = "table:"  # prefix of an exclusion list that is a table
_SHRUNK = 3.0  # baskets of the overall mean value that are added to each user's own


@dataclass(frozen=True)
class People:
    """The users of the shop in columns, ordered by id.

    Attributes:
        ids: The users' ids [n].
        consent: By channel, True for the users who consented to it, bool [n]. A null in the table is no consent.
        place: For each user, the index in `places`, int64 [n].
        places: The distinct (time zone, market) that users have; a market is a country code. None where not stated.
    """

    ids: list[str]
    consent: dict[str, np.ndarray]
    place: np.ndarray
    places: list[tuple[str | None, str | None]]


def read_people(users: Snapshot) -> People:
    """Read consent, time zone and market of every user from the table `users`.

    A user with several rows has consented only if every row says so. A null is no consent.
    """
    there = users.schema.names
    agreed = [
        (pl.col(f"{name}_consent").fill_null(False) if f"{name}_consent" in there else pl.lit(False)).alias(name)
        for name in CHANNELS
    ]
    zones = [
        (pl.col(name) if name in there else pl.lit(None, pl.String)).alias(name) for name in ("time_zone", "market")
    ]
    rows = scan(users).filter(pl.col("user_id").is_not_null()).select("user_id", *agreed, *zones)
    one = rows.group_by("user_id").agg(
        *(pl.col(name).all() for name in CHANNELS), pl.col("time_zone").max(), pl.col("market").max()
    )
    frame = one.sort("user_id").collect(engine="streaming")
    pairs = frame.select(pl.struct("time_zone", "market").rank("dense").alias("place"), "time_zone", "market")
    places = pairs.unique("place").sort("place")
    return People(
        frame["user_id"].to_list(),
        {name: frame[name].to_numpy() for name in CHANNELS},
        pairs["place"].to_numpy().astype(np.int64) - 1,
        list(zip(places["time_zone"].to_list(), places["market"].to_list(), strict=True)),
    )


def spans(people: People, config: PlanConfig, channel: str, hours: tuple[int, int], day: date) -> list[Span | None]:
    """Return the period in which a channel's messages may be sent, for each entry of `people.places`.

    Args:
        people: The users.
        config: Settings of the job: quiet hours and time zones.
        channel: The channel.
        hours: First and last hour that the campaign wants, the last one exclusive.
        day: The day that is planned.

    Returns:
        One period per (time zone, market) of `people.places`; None where users may not be addressed: their time zone is
        unknown, or no hour is left.
    """
    quiet = next(((each.begin, each.end) for each in config.quiet_hours if each.channel == channel), None)
    wanted = open_hours(hours, quiet)
    if wanted is None:
        return [None] * len(people.places)
    other = config.default_time_zone or ("" if quiet else config.timezone)
    spare = zone(other) if other else None
    spans = []
    for time_zone, market in people.places:
        where = zones_of(time_zone, market) or ((spare,) if spare else ())
        spans.append(span(day, wanted, where) if where else None)
    return spans


def messages_before(
    ids: Sequence[str],
    caps: Sequence[Cap],
    day: date,
    timezone: str,
    campaigns: Snapshot | None,
    plan: Snapshot | None,
) -> list[np.ndarray]:
    """Count, for each cap, the messages that each user got or is planned to get in the days around the planned one.

    Messages after the planned day are counted like those before it, so that a cap holds in whichever order days are
    planned. A row of `campaigns` does not say by which channel it was sent, so it counts towards the caps of all
    channels; but if a plan lists the same campaign and user, only the planned message is counted, with its channel.

    Args:
        ids: The users' ids [n].
        caps: The limits on messages per user.
        day: The day that is planned. Rows of `plan` for this day are ignored, since they are about to be replaced.
        timezone: The shop's time zone, in which the day of `campaigns.starts_at` is taken.
        campaigns: `campaigns`: what was sent; None if it does not exist.
        plan: `campaign_plan`: what is planned; None if it does not exist.

    Returns:
        One array of counts for each cap, int64 [n].
    """
    got = [_planned(plan, day), _received(campaigns, plan, day, timezone)]
    rows = pl.concat([frame for frame in got if frame is not None] or [_nothing()])
    users = pl.DataFrame({"user_id": list(ids)}, schema={"user_id": pl.String})
    counts = []
    for cap in caps:
        near = rows.filter((pl.col("on") - pl.lit(day)).dt.total_days().abs() < cap.days)
        if cap.channel is not None:
            near = near.filter(pl.col("channel").is_null() | (pl.col("channel") == cap.channel))
        number = near.group_by("user_id").len("count")
        joined = users.join(number, on="user_id", how="left", maintain_order="left")
        counts.append(joined["count"].fill_null(0).to_numpy().astype(np.int64))
    return counts


def _nothing() -> pl.DataFrame:
    return pl.DataFrame(schema={"user_id": pl.String, "channel": pl.String, "on": pl.Date})


def _planned(plan: Snapshot | None, day: date) -> pl.DataFrame | None:
    """Return the messages that plans of other days than `day` contain; None if `plan` is None.

    The columns are user_id, channel, on (the planned day).
    """
    if plan is None:
        return None
    frames = [_nothing()]
    for on in sorted({str(file.partition["day"]) for file in plan.files}):
        if on != day.isoformat():
            part = scan(_of_day(plan, on)).filter(pl.col("send"))
            frames.append(
                part.select("user_id", "channel", pl.lit(date.fromisoformat(on)).alias("on")).collect(
                    engine="streaming"
                )
            )
    return pl.concat(frames)


def _of_day(plan: Snapshot, on: str) -> Snapshot:
    return replace(plan, files=tuple(file for file in plan.files if file.partition["day"] == on))


def _received(campaigns: Snapshot | None, plan: Snapshot | None, day: date, timezone: str) -> pl.DataFrame | None:
    """Return the messages in `campaigns` that no plan of another day contains; None if `campaigns` is None.

    The columns are user_id, channel (null), on (the day). Messages more than 366 days from `day` are left out.
    """
    if campaigns is None:
        return None
    rows = scan(campaigns).filter(pl.col("starts_at").is_not_null())
    others = (
        replace(plan, files=tuple(f for f in plan.files if f.partition["day"] != day.isoformat())) if plan else None
    )
    if others is not None and others.files:
        rows = rows.join(
            scan(others).filter(pl.col("send")).select("campaign_id", "user_id"),
            on=["campaign_id", "user_id"],
            how="anti",
        )
    on = pl.col("starts_at").dt.convert_time_zone(timezone).dt.date().alias("on")
    near = (pl.col("on") - pl.lit(day)).dt.total_days().abs() <= 366
    return rows.select("user_id", pl.lit(None, pl.String).alias("channel"), on).filter(near).collect(engine="streaming")


def left_out(lists: Sequence[str], people: People, store: Store) -> np.ndarray:
    """Return True for each user whom one of the exclusion lists names, bool [n].

    Args:
        lists: Names of files with one user id a line, or `table:NAME` for the users of a table with a column `user_id`.
        people: The users.
        store: The warehouse.

    Raises:
        UserError: A file cannot be read, or a table does not exist or has no column `user_id`.
    """
    listed: set[str] = set()
    for name in lists:
        if name.startswith(_TABLE):
            users = scan(_table_of_users(store, name)).select(pl.col("user_id").drop_nulls().unique())
            listed |= set(users.collect()["user_id"].to_list())
        else:
            listed |= {line.strip() for line in _text_of(name).splitlines() if line.strip()}
    return np.array([user in listed for user in people.ids], bool)


def check_lists(lists: Sequence[str], store: Store) -> None:
    """Check, before any other work is done, that `left_out` can read every exclusion list; raise UserError if not."""
    for name in lists:
        _table_of_users(store, name) if name.startswith(_TABLE) else _text_of(name)


def _text_of(name: str) -> str:
    try:
        return Path(project_file(os.path.expanduser(name))).read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"exclude: {name} cannot be read ({getattr(error, 'strerror', None) or error})") from None


def _table_of_users(store: Store, name: str) -> Snapshot:
    snapshot = store.snapshot(name.removeprefix(_TABLE))
    if "user_id" not in snapshot.schema.names:
        has = ", ".join(snapshot.schema.names)
        raise UserError(f"exclude: table {snapshot.name!r} has no column user_id (it has: {has})")
    return snapshot


def basket_values(daily: Snapshot, people: People, day: date) -> np.ndarray:
    """Return the mean value of each user's baskets in the year before a day, shrunk towards the mean of all users.

    The mean of all users is added like three more baskets, so that a user with one large basket is not overrated.

    Args:
        daily: `user_daily`, the daily sums of each user.
        people: The users.
        day: The day; only days before it are used.

    Returns:
        Money in the shop's currency, float64 [n]; 0 for everybody if nobody bought anything.
    """
    near = pl.col("day").is_between(day - timedelta(days=365), day - timedelta(days=1))
    sums = [pl.col("baskets").sum().cast(pl.Float64), (pl.col("purchase_cents").sum() / 100).alias("money")]
    bought = scan(daily).filter(near).group_by("user_id").agg(sums).collect(engine="streaming")
    total = float(bought["baskets"].sum() or 0.0)
    mean = float(bought["money"].sum() or 0.0) / total if total else 0.0
    users = pl.DataFrame({"user_id": people.ids}, schema={"user_id": pl.String})
    rows = users.join(bought, on="user_id", how="left", maintain_order="left").fill_null(0.0)
    return (rows["money"].to_numpy() + _SHRUNK * mean) / (rows["baskets"].to_numpy() + _SHRUNK)
