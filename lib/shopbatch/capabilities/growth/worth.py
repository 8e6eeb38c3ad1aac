"""Find the worth of a new user and the uplift of asking: measured if possible, else taken from the settings.

`choose_inviters` uses them. The uplift of asking is the probability that a user invites because of being asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from shopbatch.capabilities.growth.config import Money, Uplift
from shopbatch.warehouse import files
from shopbatch.warehouse.store import Snapshot

_LEAST = 100  # fewest users of each arm


@dataclass(frozen=True)
class Known:
    """A number, and a short text for the report that says where it comes from."""

    value: float
    source: str


def value_of_a_user(scores: Snapshot | None, money: Money) -> Known:
    """Return the worth of a new user in the shop's currency, at least 0; the reward paid for the user is subtracted.

    Before that it is the mean of `expected_spend_30d` on the newest day of `user_scores` times `money.margin`; without
    such scores, `money.new_user`.

    Args:
        scores: The table `user_scores`; None if it does not exist.
        money: Settings: `margin`, `new_user` and `reward`.
    """
    worth = Known(money.new_user, "the setting money.new_user")
    if scores is not None and scores.files and {"as_of", "expected_spend_30d"} <= set(scores.schema.names):
        days = [str(f.partition["as_of"]) for f in scores.files if "as_of" in f.partition]  # if partitioned by day
        rows = files.scan([f.uri for f in scores.files if not days or f.partition["as_of"] == max(days)])
        if not days:
            rows = rows.filter(pl.col("as_of") == pl.col("as_of").max())
        mean = rows.select(pl.col("expected_spend_30d").cast(pl.Float64).mean()).collect().item()
        if mean is not None and np.isfinite(mean):
            worth = Known(float(mean) * money.margin, "the mean of user_scores.expected_spend_30d")
    return Known(max(0.0, worth.value - money.reward), worth.source)


def uplift_of_asking(plans: pl.DataFrame, events: pl.DataFrame, as_of: datetime, settings: Uplift) -> tuple[Known, str]:
    """Return the probability that a user invites because of being asked, measured on former plans if they prove it.

    Users whom former plans asked are compared with those whom they held out. The difference is used if the lower end of
    its 95 % interval is above 0, which takes at least 100 users of each sort; else the setting is used.

    Args:
        plans: Rows of former plans: plan, user_id, decision, planned_at.
        events: Referral events, each once.
        as_of: The moment up to which events are known.
        settings: The probability that is used otherwise, and the number of days after a plan in which an invitation is
            taken as its effect.

    Returns:
        The probability, and one sentence that says what the comparison found.
    """
    setting = Known(settings.of_asking, "the setting uplift.of_asking")
    span = timedelta(days=settings.days)
    old = plans.filter((pl.col("planned_at") + span <= as_of) & pl.col("decision").is_in(["ask", "hold_out"]))
    if not settings.measure or old.is_empty():
        return setting, "no former plan is old enough to be compared"
    invited = events.filter((pl.col("kind") == "invited") & (pl.col("inviter_id") != pl.col("invitee_id")))
    did = (
        old.join(invited.select(pl.col("inviter_id").alias("user_id"), "at"), "user_id")
        .filter((pl.col("at") >= pl.col("planned_at")) & (pl.col("at") < pl.col("planned_at") + span))
        .select("plan", "user_id")
        .unique()
        .with_columns(did=pl.lit(True))
    )
    arms = old.join(did, ["plan", "user_id"], "left").group_by("decision").agg(pl.len(), pl.col("did").count())
    counted = {decision: (n, k) for decision, n, k in arms.iter_rows()}
    (n, k), (m, j) = counted.get("ask", (0, 0)), counted.get("hold_out", (0, 0))
    if min(n, m) < _LEAST:
        return setting, f"former plans asked {n:,} and held out {m:,} users: {_LEAST} of each are needed"
    gain = k / n - j / m
    error = 1.96 * np.sqrt((k + 1) * (n - k + 1) / (n + 2) ** 3 + (j + 1) * (m - j + 1) / (m + 2) ** 3)
    said = f"of {n:,} asked {k / n:.1%} invited, of {m:,} held out {j / m:.1%}: {gain:+.1%} (+- {error:.1%})"
    return (Known(float(gain), "former plans") if gain > error else setting), said
