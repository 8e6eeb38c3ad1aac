"""Estimate what the coupons of a campaign will cost, including those of users who would have bought anyway."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import polars as pl

from shopbatch.capabilities.marketing.campaigns.outcomes import deeds, scan
from shopbatch.warehouse.snapshot import Snapshot

_LEAST = 100  # fewest former messages with coupons from which the share is learnt


@dataclass(frozen=True)
class Coupons:
    """The numbers from which each user's probability to redeem a coupon follows.

    Attributes:
        buys: Probability of each user to buy without a message, float64 [n]: within 30 days according to `user_scores`,
            0 for users without a score; without that table, the share of all users who bought in the outcome window
            before the planned day.
        share: Share of the buyers who redeem the coupon that they got, 0..1.
        source: One sentence for the report that says where `buys` and `share` come from.
    """

    buys: np.ndarray
    share: float
    source: str

    def redeemed(self, uplift: np.ndarray) -> np.ndarray:
        """Return each user's probability to redeem a coupon that comes with a message, float64 [n].

        Args:
            uplift: What the message adds to each user's probability to buy, float64 [n].
        """
        return np.asarray(np.clip(self.buys + uplift, 0.0, 1.0) * self.share)


def read_coupons(
    ids: list[str],
    day: date,
    window: int,
    daily: Snapshot,
    scores: Snapshot | None,
    campaigns: Snapshot | None,
    redemptions: Snapshot | None,
) -> Coupons:
    """Estimate who will redeem a coupon, from forecasts of purchases and from former campaigns with coupons.

    Every buyer is expected to redeem if `campaigns` or `redemptions` is None.

    Args:
        ids: The users' ids [n].
        day: The day that is planned.
        window: Length in days of the uplift model's outcome window; used only where `scores` is missing.
        daily: `user_daily`, the daily sums of each user.
        scores: `user_scores`; its newest day up to the planned one is used. If there is none, every user gets the share
            of users who bought in the `window` days before the planned day.
        campaigns: `campaigns`: who got which campaign; None if it does not exist.
        redemptions: `redemptions`: who redeemed a coupon of which campaign; None if it does not exist.
    """
    buys, where = _chances(ids, day, window, daily, scores)
    known = dict(zip(ids, buys.tolist(), strict=True))
    share, what = _share(known, campaigns, redemptions)
    return Coupons(buys, share, f"{where}; {what}")


def _chances(
    ids: list[str], day: date, window: int, daily: Snapshot, scores: Snapshot | None
) -> tuple[np.ndarray, str]:
    users = pl.DataFrame({"user_id": ids}, schema={"user_id": pl.String})
    past = [on for f in (scores.files if scores else ()) if (on := str(f.partition["as_of"])) <= day.isoformat()]
    if scores is not None and past:
        newest = replace(scores, files=tuple(f for f in scores.files if f.partition["as_of"] == max(past)))
        said = scan(newest).select("user_id", "p_purchase_30d").collect(engine="streaming")
        joined = users.join(said.unique("user_id"), on="user_id", how="left", maintain_order="left")
        return joined["p_purchase_30d"].fill_null(0.0).to_numpy(), f"chances to buy of user_scores, {max(past)}"
    before = deeds(daily, users.with_columns(pl.lit(day).alias("day")), window, 1)["before_bought"].to_numpy()
    share = float(before.mean()) if len(before) else 0.0
    return np.full(len(ids), share), f"{share:.1%} of the users bought in the {window} days before"


def _share(buys: dict[str, float], campaigns: Snapshot | None, redemptions: Snapshot | None) -> tuple[float, str]:
    """Return the share of buyers who redeem a coupon, 0..1, and one sentence that says how it was found.

    It is the number of former redemptions over the expected number of buyers among those who got these coupons, at most
    1. It is 1 if nothing or too little (fewer than 100 messages) is known of former coupons.

    Args:
        buys: Probability to buy by user id, as in `Coupons.buys`.
        campaigns: Who got which campaign; None if unknown.
        redemptions: Who redeemed a coupon of which campaign; None if unknown.
    """
    if campaigns is None or redemptions is None:
        return 1.0, "every buyer is expected to redeem, since nothing is known of former coupons"
    pairs = ["campaign_id", "user_id"]
    used = scan(redemptions).select(pairs).unique()
    got = scan(campaigns).select(pairs).unique().join(used.select("campaign_id").unique(), on="campaign_id", how="semi")
    rows = got.join(used.with_columns(used=pl.lit(True)), on=pairs, how="left").collect(engine="streaming")
    expected = float(sum(buys.get(user, 0.0) for user in rows["user_id"].to_list()))
    times = int(rows["used"].count())
    if len(rows) < _LEAST or expected <= 0:
        return 1.0, f"every buyer is expected to redeem, since former coupons reached only {len(rows):,} users"
    share = min(1.0, times / expected)
    return share, f"{share:.1%} of the buyers redeem, since {times:,} of {len(rows):,} former coupons were redeemed"
