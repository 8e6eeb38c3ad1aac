"""What a plan reads: users with their consent and time zone, what they got before, and who is left out."""

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

_TABLE = "table:"  # how an exclusion list that is a table begins
_SHRUNK = 3.0  # baskets' worth of the mean basket of all users in that of one


@dataclass(frozen=True)
class People:
    """The users of the shop, in order of their ids.

    Attributes:
        ids: [n].
        consent: By channel, who agreed to it; null is no consent; bool [n].
        place: The number of each user's pair of time zone and market in `places`, int64 [n].
        places: Pairs of time zone and market, null where not stated.
    """

    ids: list[str]
    consent: dict[str, np.ndarray]
    place: np.ndarray
    places: list[tuple[str | None, str | None]]


def read_people(users: Snapshot) -> People:
    """Read the users. One who stands twice has agreed only if every row says so."""
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
    """Return when a channel's messages may be sent, for each of the users' places; None: at no time that is known."""
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
    """Count the messages that each user got, or is planned to get, in the days around a day that a cap is about.

    What `campaigns` holds is of no known channel, so it counts for every channel, unless a plan says which one it was.
    Days after the planned one count as well as those before, so that a cap holds whatever is planned first.

    Args:
        ids: The users.
        caps: The caps.
        day: The day; the plan's own rows of that day do not count, as they are about to be replaced.
        timezone: The shop's; a campaign begins on a day of it.
        campaigns, plan: The tables; None where there is none.

    Returns:
        By cap, int64 [n] each.
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
    """The messages of plans for other days."""
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
    """What was sent, but for what a plan has counted already."""
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
    """Read lists of users to leave out.

    Args:
        lists: Names of files with one id a line, or `table:` and the name of a table with a column user_id.
        people: The users.
        store: The warehouse.

    Returns:
        bool [n].

    Raises:
        UserError: A file cannot be read, or there is no such table.
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
    """Raise UserError for the first list that `left_out` could not read."""
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
    """Return the mean money of a basket of each user in the year before a day, drawn towards that of all users.

    Args:
        daily: The daily tiles.
        people: The users.
        day: The day.

    Returns:
        Money in the shop's currency, float64 [n]; 0 if nobody bought anything.
    """
    near = pl.col("day").is_between(day - timedelta(days=365), day - timedelta(days=1))
    sums = [pl.col("baskets").sum().cast(pl.Float64), (pl.col("purchase_cents").sum() / 100).alias("money")]
    bought = scan(daily).filter(near).group_by("user_id").agg(sums).collect(engine="streaming")
    total = float(bought["baskets"].sum() or 0.0)
    mean = float(bought["money"].sum() or 0.0) / total if total else 0.0
    users = pl.DataFrame({"user_id": people.ids}, schema={"user_id": pl.String})
    rows = users.join(bought, on="user_id", how="left", maintain_order="left").fill_null(0.0)
    return (rows["money"].to_numpy() + _SHRUNK * mean) / (rows["baskets"].to_numpy() + _SHRUNK)
