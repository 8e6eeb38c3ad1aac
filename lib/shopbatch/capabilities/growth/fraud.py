"""Find users who look as if they had invited themselves; `choose_inviters` leaves them out and lists the reason."""

from __future__ import annotations

import numpy as np
import polars as pl
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from shopbatch.capabilities.growth.config import Fraud

SELF, RING, DEVICE = "self_referral", "ring", "shared_device"


def suspects(events: pl.DataFrame, limits: Fraud) -> pl.DataFrame:
    """Return the users whose referrals look like fraud, each with the first reason that applies.

    - self_referral: an event names the user as inviter and as invitee.
    - ring: users have brought one another in a circle. Invitations go forward in time, so that cannot be honest.
    - shared_device: several users whom the user brought joined on a device that the user has used; or many users joined
      on one device.

    Args:
        events: inviter_id, invitee_id, kind, device_hash; each event once.
        limits: From how many users on a shared device counts as fraud.

    Returns:
        user_id and reason, each user once.
    """
    own = events.filter(pl.col("inviter_id") == pl.col("invitee_id")).select(pl.col("inviter_id").alias("user_id"))
    suspects = [(SELF, own), (RING, _rings(events)), (DEVICE, _devices(events, limits))]
    rows = [frame.unique().with_columns(reason=pl.lit(reason)) for reason, frame in suspects]
    return pl.concat(rows).unique("user_id", keep="first", maintain_order=True)


def _rings(events: pl.DataFrame) -> pl.DataFrame:
    brought = events.filter(
        (pl.col("kind") == "joined")
        & pl.col("inviter_id").is_not_null()
        & (pl.col("inviter_id") != pl.col("invitee_id"))
    ).select("inviter_id", "invitee_id").unique()  # fmt: skip
    names = pl.concat([brought["inviter_id"], brought["invitee_id"]]).unique().sort()
    if names.is_empty():
        return pl.DataFrame({"user_id": []}, schema={"user_id": pl.String})
    place = pl.DataFrame({"name": names, "place": np.arange(len(names))})
    ends = [
        brought.join(place, left_on=column, right_on="name", how="left", maintain_order="left")["place"].to_numpy()
        for column in ("inviter_id", "invitee_id")
    ]
    arcs = csr_matrix((np.ones(len(brought), np.int8), (ends[0], ends[1])), shape=(len(names), len(names)))
    _, part = connected_components(arcs, directed=True, connection="strong")
    return pl.DataFrame({"user_id": names.filter(pl.Series(np.bincount(part)[part] > 1))})


def _devices(events: pl.DataFrame, limits: Fraud) -> pl.DataFrame:
    known = events.filter(pl.col("device_hash").is_not_null())
    joins = known.filter(pl.col("kind") == "joined").select("inviter_id", "invitee_id", "device_hash").unique()
    actor = pl.when(pl.col("kind") == "invited").then("inviter_id").otherwise("invitee_id")
    acts = known.select(actor.alias("inviter_id"), "device_hash").drop_nulls().unique()
    same = joins.filter(pl.col("inviter_id") != pl.col("invitee_id")).join(acts, ["inviter_id", "device_hash"])
    many = same.group_by("inviter_id").agg(pl.col("invitee_id").n_unique().alias("n"))
    inviters = many.filter(pl.col("n") >= limits.shared_devices).select(pl.col("inviter_id").alias("user_id"))
    per_device = joins.group_by("device_hash").agg(pl.col("invitee_id").unique().alias("user_id"))
    crowded = per_device.filter(pl.col("user_id").list.len() >= limits.users_per_device)
    return pl.concat([inviters, crowded.explode("user_id").select("user_id").drop_nulls()]).unique()
