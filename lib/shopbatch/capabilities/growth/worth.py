"""What a new user is worth, and what asking changes: measured where former plans or scores allow it, else settings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from shopbatch.capabilities.growth.config import Money, Uplift
from shopbatch.warehouse import files
from shopbatch.warehouse.store import Snapshot

_LEAST = 100  # users of each arm


@dataclass(frozen=True)
class Known:
    """A number and where it comes from."""

    value: float
    source: str


def value_of_a_user(scores: Snapshot | None, money: Money) -> Known:
    """Return what a new user is worth: what users are expected to spend, or the setting."""
    worth = Known(money.new_user, "the setting money.new_user")
    if scores is not None and scores.files and {"as_of", "expected_spend_30d"} <= set(scores.schema.names):
        days = [str(f.partition["as_of"]) for f in scores.files if "as_of" in f.partition]  # where days are folders
        rows = files.scan([f.uri for f in scores.files if not days or f.partition["as_of"] == max(days)])
        if not days:
            rows = rows.filter(pl.col("as_of") == pl.col("as_of").max())
        mean = rows.select(pl.col("expected_spend_30d").cast(pl.Float64).mean()).collect().item()
        if mean is not None and np.isfinite(mean):
            worth = Known(float(mean) * money.margin, "the mean of user_scores.expected_spend_30d")
    return Known(max(0.0, worth.value - money.reward), worth.source)


def uplift_of_asking(plans: pl.DataFrame, events: pl.DataFrame, as_of: datetime, settings: Uplift) -> tuple[Known, str]:
    """Compare those whom former plans asked with those whom they held out.

    Args:
        plans: plan, user_id, decision and planned_at of former plans.
        events: Referral events, each once.
        as_of: Everything before it is known.
        settings: Give the number that is used if nothing is proven.

    Returns:
        The uplift, and what was found in one sentence.
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
