"""Show, for campaigns without a randomised control, why their effect cannot be measured.

Shops mostly send campaigns to their better customers, who spent more before, too. The gap in spending before the
campaign shows that. A difference in differences removes the gap, but is right only if, without the campaign, the
spending of both groups would have changed by the same amount. A placebo tests this: the same calculation for the period
before the campaign, when nothing was sent, should find 0.
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
    """A campaign whose receivers were not drawn by chance, with the evidence against a naive comparison.

    Attributes:
        name: The campaign.
        day: The day on which it began.
        users: Number of users who got it.
        others: Number of users who did not get it.
        gap: Mean spending of the receivers minus that of the other users in the period before, in the shop's currency.
        change: The difference in differences: by how much more the receivers' spending grew than that of the other
            users, from the period before the campaign to the period after it.
        placebo: The same difference in differences one period earlier, when nothing had been sent. It should be 0.
    """

    name: str
    day: date
    users: int
    others: int
    gap: Interval
    change: Interval
    placebo: Interval


def unassigned(sources: Sources, timezone: str, days: int, known: set[str], last: date) -> list[Unassigned]:
    """Return the evidence for every campaign that has no experiment and enough days of data around its beginning.

    Enough days are one period from the campaign's beginning on and two periods before it. A campaign is skipped if
    fewer than 2 users got it, or fewer than 2 users did not get it.

    Args:
        sources: The pinned tables; without `campaigns` the result is [].
        timezone: The shop's time zone, by which a campaign's beginning becomes a calendar day.
        days: Length of a period, in days.
        known: Campaigns that have an experiment; they are left out.
        last: The newest day in `user_daily`.
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
