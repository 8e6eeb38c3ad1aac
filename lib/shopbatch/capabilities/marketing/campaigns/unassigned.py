"""Campaigns for which nobody was drawn by chance: why no effect can be told, in figures.

Whoever is sent a campaign is mostly a better customer than others, and was so before. The gap before the campaign shows
it. To take that gap off (a difference in differences) helps only if both groups would have gone on alike; a placebo,
the same sum four weeks earlier, when nothing was sent, shows whether they do.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from shopbatch.capabilities.marketing.campaigns.outcomes import Sources, deeds, scan
from shopbatch.evaluation.classification import Interval
from shopbatch.evaluation.experiments import Arms, effect


@dataclass(frozen=True)
class Unassigned:
    """A campaign that was sent to users whom chance did not draw.

    Attributes:
        name: The campaign.
        day: When it began.
        users, others: Users who got it, and those who did not.
        gap: How much more those who got it had spent in the days before, per user.
        change: The difference in differences: how much more their spending grew with the campaign.
        placebo: The same one period earlier, when nothing had been sent; it should be 0.
    """

    name: str
    day: date
    users: int
    others: int
    gap: Interval
    change: Interval
    placebo: Interval


def unassigned(sources: Sources, timezone: str, days: int, known: set[str], last: date) -> list[Unassigned]:
    """Look at every campaign without an experiment whose window is over, and before which two periods are known.

    Args:
        sources: The tables; `campaigns` is among them.
        timezone: The shop's.
        days: Length of each period.
        known: Campaigns that experiments are about.
        last: The last day with a tile.
    """
    if sources.campaigns is None:
        return []
    begin = pl.col("starts_at").dt.convert_time_zone(timezone).dt.date()
    sent = scan(sources.campaigns).select("campaign_id", "user_id", begin.alias("day")).collect(engine="streaming")
    starts = sent.group_by("campaign_id").agg(pl.col("day").min()).drop_nulls().sort("day", "campaign_id")
    first = scan(sources.daily).select(pl.col("day").min()).collect(engine="streaming").item()
    everybody = scan(sources.daily).select(pl.col("user_id").unique()).collect(engine="streaming").sort("user_id")
    gaps = []
    for name, day in starts.iter_rows():
        if name in known or (last - day).days + 1 < days or (day - first).days < 2 * days:
            continue
        got = sent.filter(pl.col("campaign_id") == name).select(pl.col("user_id").unique())
        one = _one(sources, everybody, got["user_id"], (name, day), days)
        if one is not None:
            gaps.append(one)
    return gaps


def _one(
    sources: Sources, everybody: pl.DataFrame, got: pl.Series, campaign: tuple[str, date], days: int
) -> Unassigned | None:
    people = everybody.with_columns(pl.lit(campaign[1]).alias("day"))
    whole = deeds(sources.daily, people, 2 * days, days)
    half = deeds(sources.daily, people, days, 0)
    treated = people["user_id"].is_in(got.implode()).to_numpy()
    if min(treated.sum(), (~treated).sum()) < 2:
        return None
    arms = Arms(treated, np.ones(len(treated)))
    near, after = half["before_sales"].to_numpy(), whole["sales"].to_numpy()
    far = whole["before_sales"].to_numpy() - near
    return Unassigned(
        *campaign,
        int(treated.sum()),
        int((~treated).sum()),
        effect(near, arms).difference,
        effect(after - near, arms).difference,
        effect(near - far, arms).difference,
    )
