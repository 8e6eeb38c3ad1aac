"""What the coupons of a campaign are expected to cost: who would buy anyway redeems one, too."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import polars as pl

from shopbatch.capabilities.marketing.campaigns.outcomes import deeds, scan
from shopbatch.warehouse.snapshot import Snapshot

_LEAST = 100  # messages of former campaigns with coupons, below which nothing is learnt from them


@dataclass(frozen=True)
class Coupons:
    """Who will redeem a coupon.

    Attributes:
        buys: Probability of each user to buy in the window without a message, float64 [n].
        share: Share of the buyers who redeem the coupon that they got.
        source: Where both come from, in one sentence.
    """

    buys: np.ndarray
    share: float
    source: str

    def redeemed(self, uplift: np.ndarray) -> np.ndarray:
        """Return the probability of each user to redeem a coupon. uplift: of the chance to buy, float64 [n]."""
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
    """Find out who will redeem coupons.

    Args:
        ids: The users.
        day: The day that is planned.
        window: Days in which a purchase counts.
        daily: The daily tiles.
        scores: user_scores: the newest day up to the planned one counts. Without it, everybody has the share of users
            who bought in the window before the day.
        campaigns: Who got which campaign.
        redemptions: Who redeemed a coupon of which campaign.
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
    """Compare those who redeemed former coupons with those of their receivers who are expected to buy."""
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
