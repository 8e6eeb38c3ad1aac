"""Find who brought whom, and the cascades, from referral events: exactly, in Spark.

The rules, in this order:

1. Of several rows of one event, the row that reached the warehouse last is used.
2. A user joins once: at the first join. If that row names an inviter, the user came by an invitation.
3. Nobody brings oneself: such invitations are dropped, and such a join is treated as one without an invitation.
4. A user who joined later than the invitee did not bring the invitee: such invitations are dropped.
5. Of several inviters, the first one is taken (or the last one before the join, by a setting).
6. Circles, which are left only among joins of one moment, are cut at the user with the smallest id.

So each user has one inviter or none, and there are no circles: a forest. A cascade is one tree of it: a root (a user
without an inviter) and all users who descend from the root. Roots are found by pointer doubling in log2(depth) rounds:
in each round every user jumps from the present ancestor to that ancestor's ancestor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

DIRECT, UNKNOWN, OTHER = "direct", "unknown", "other"
_ROUNDS = 60
_INVITES = "kind in ('invited', 'joined') and inviter_id is not null and inviter_id != invitee_id"


@dataclass(frozen=True)
class Forest:
    """Who brought whom, and the cascade of each user.

    Attributes:
        users: One row per user: user_id, joined_at, channel, inviter_id, inviter_joined, inviter_channel, root_id,
            depth. `joined_at` is null for inviters whose join is unknown; they are roots.
        dropped: Number of events or users that the rules left out, by reason.
        rounds: Number of rounds of pointer doubling.
    """

    users: DataFrame
    dropped: dict[str, int]
    rounds: int


def latest(events: DataFrame, as_of: datetime) -> DataFrame:
    """Return the events before `as_of`, each once (rule 1), with the facts of the invitee that later steps need.

    All events of one person are brought together here, so that later steps need not shuffle them again. Events without
    invitee or kind are left out.

    Args:
        events: Rows of `referral_events`.
        as_of: The moment before which events count.

    Returns:
        The events, with ids trimmed of blanks. Of the invitee: `joined_at` of the first join (rule 2; null without
        one), `came_invited` (that join names an inviter), `buyer` (there was a purchase). Of the event: `is_join` (it
        is that first join), `is_asked` (it is the invitee's first invitation).
    """
    columns = ("inviter_id", "invitee_id", "channel", "kind", "at")
    row = F.struct(F.coalesce("ingested_at", "at").alias("seen"), *columns)
    known = events.where(F.col("invitee_id").isNotNull() & (F.col("at") < F.lit(as_of)) & F.col("kind").isNotNull())
    chosen = known.groupBy("event_id").agg(F.max(row).alias("row")).select("event_id", "row.*")
    person, invites = Window.partitionBy("invitee_id"), F.expr(_INVITES)
    join = F.when(F.col("kind") == "joined", F.struct("at", "event_id", invites.alias("invites")))
    asked = F.when(invites, F.struct("at", "event_id"))
    together = chosen.withColumns({name: F.trim(name) for name in ("inviter_id", "invitee_id")}).withColumns({
        "first_join": F.min(join).over(person),
        "first_asked": F.min(asked).over(person),
        "buyer": F.max(F.col("kind") == "bought").over(person),
    })  # fmt: skip
    return together.select(
        "event_id", *columns, "buyer",
        F.col("first_join.at").alias("joined_at"),
        F.coalesce("first_join.invites", F.lit(False)).alias("came_invited"),
        F.coalesce(F.expr("kind = 'joined' and event_id = first_join.event_id"), F.lit(False)).alias("is_join"),
        F.coalesce(F.expr("event_id = first_asked.event_id"), F.lit(False)).alias("is_asked"),
    )  # fmt: skip


def forest(events: DataFrame, two_inviters: Literal["first", "last"]) -> Forest:
    """Apply the rules 2 to 6 to events, and find each user's root.

    Args:
        events: Events as `latest` returns them.
        two_inviters: Which of several inviters counts (rule 5).
    """
    users = events.where("is_join").select(
        F.col("invitee_id").alias("user_id"),
        "joined_at",
        F.when(F.col("inviter_id").isNull(), F.col("channel")).alias("own_channel"),
    )
    touches = _touches(events, users, two_inviters).localCheckpoint()
    cut = _cuts(touches)
    parents = touches.where("inviter_id is not null")
    if cut:
        gone = users.sparkSession.createDataFrame([(u,) for u in cut], "user_id string")
        parents = parents.join(F.broadcast(gone), "user_id", "left_anti")
    parents = parents.select("user_id", "inviter_id", "inviter_joined", "channel")
    by_invitation = F.coalesce("channel", F.lit(UNKNOWN))
    known = users.join(parents, "user_id", "left").withColumn(
        "channel",
        F.when(F.col("inviter_id").isNotNull(), by_invitation).otherwise(F.coalesce("own_channel", F.lit(DIRECT))),
    )
    undated = parents.where("inviter_joined is null").select(F.col("inviter_id").alias("user_id")).distinct()
    whole = known.drop("own_channel").unionByName(
        undated.withColumn("channel", F.lit(UNKNOWN)), allowMissingColumns=True
    )
    rooted, rounds = _roots(whole.localCheckpoint())
    without = rooted.where("joined_at is null").count()
    dropped = _dropped(events, touches) | {"circles cut": len(cut), "inviters without a join": without}
    return Forest(rooted, dropped, rounds)


def _touches(events: DataFrame, users: DataFrame, two_inviters: Literal["first", "last"]) -> DataFrame:
    """Return the inviter of each user who came by an invitation (rules 3 to 5), and what was dropped.

    Returns:
        One row per user: user_id, joined_at, several (True if more than one person invited the user), later (number of
        invitations dropped by rule 4), and the invitation that is taken by rule 5: at, event_id, inviter_id,
        inviter_joined, channel; null if none is left.
    """
    rows = events.where(_INVITES).where("came_invited and at <= joined_at")
    rows = rows.select(F.col("invitee_id").alias("user_id"), "joined_at", "inviter_id", "channel", "at", "event_id")
    inviters = users.select(F.col("user_id").alias("inviter_id"), F.col("joined_at").alias("inviter_joined"))
    tried = rows.join(inviters, "inviter_id", "left")
    fits = F.col("inviter_joined").isNull() | (F.col("inviter_joined") <= F.col("joined_at"))
    order = F.struct("at", "event_id", "inviter_id", "inviter_joined", "channel")
    choose = F.min if two_inviters == "first" else F.max
    return (
        tried.groupBy("user_id")
        .agg(
            F.min("joined_at").alias("joined_at"),
            choose(F.when(fits, order)).alias("row"),
            (F.min("inviter_id") != F.max("inviter_id")).alias("several"),
            F.count_if(~fits).alias("later"),
        )
        .select("user_id", "joined_at", "several", "later", "row.*")
    )


def _dropped(events: DataFrame, touches: DataFrame) -> dict[str, int]:
    own = events.where("inviter_id = invitee_id").count()
    row = touches.agg(
        F.count_if("several").alias("several"), F.coalesce(F.sum("later"), F.lit(0)).alias("later")
    ).first()
    assert row is not None
    return {
        "invitations of oneself": own,
        "invitations of users who joined before": int(row["later"]),
        "users whom several have invited": int(row["several"]),
    }


def _cuts(touches: DataFrame) -> list[str]:
    """Return the ids of the users at whom circles are cut (rule 6), from the inviters that `_touches` found."""
    same = touches.where("inviter_joined = joined_at").select("user_id", "inviter_id").toArrow()
    return circles(same["user_id"], same["inviter_id"])


def circles(users: pa.ChunkedArray, inviters: pa.ChunkedArray) -> list[str]:
    """Return the smallest user id of each circle of inviters (users who brought one another).

    Args:
        users: Ids [n], all different.
        inviters: The id of the user who brought each of them [n].
    """
    names = pc.unique(pa.concat_arrays([*users.chunks, *inviters.chunks])) if len(users) else pa.array([], pa.string())
    names = names.take(pc.sort_indices(names))
    to = np.arange(len(names) + 1)
    to[:-1] = len(names)  # users without an inviter point to the position after the last
    to[len(names)] = len(names)
    child, parent = (pc.index_in(c, names).to_numpy().astype(np.int64) for c in (users, inviters))
    to[child] = parent
    far = to.copy()
    for _ in range(len(names).bit_length() + 1):
        far = far[far]
    inside = np.unique(far[far < len(names)])  # after more steps than users, a position lies in a circle
    best = np.arange(len(names) + 1)
    hop = to.copy()
    for _ in range(len(names).bit_length() + 1):
        best, hop = np.minimum(best, best[hop]), hop[hop]
    return [str(names[int(i)]) for i in np.unique(best[inside])]


def _roots(users: DataFrame) -> tuple[DataFrame, int]:
    """Add the columns inviter_channel, root_id and depth by pointer doubling; also return the number of rounds.

    A user whose ancestor has no inviter is finished, and is then only looked up by others. The first round also looks
    up the channel by which the inviter came.
    """
    roots = users.where("inviter_id is null").select(
        "*", F.lit(None).cast("string").alias("inviter_channel"), F.col("user_id").alias("root_id"),
        F.lit(0).cast("long").alias("depth"),
    )  # fmt: skip
    above = users.select(
        F.col("user_id").alias("inviter_id"),
        F.col("channel").alias("inviter_channel"),
        F.col("inviter_id").alias("next"),
        F.lit(1).cast("long").alias("more"),
    )
    steps = {"root_id": F.col("inviter_id"), "depth": F.lit(1).cast("long")}
    asked = _up(users.where("inviter_id is not null").withColumns(steps).join(above, "inviter_id"), roots)
    done = [asked.where("not moved")]
    for rounds in range(_ROUNDS):
        asking = asked.where("moved")
        if not asking.head(1):
            parts = [part.select(roots.columns) for part in done]
            return reduce(DataFrame.union, parts, roots), rounds
        known = reduce(DataFrame.union, [*done, asking]).select(
            F.col("user_id").alias("root_id"), F.col("root_id").alias("next"), F.col("depth").alias("more")
        )
        asked = _up(asking.drop("moved").join(known, "root_id", "left"), roots)
        done.append(asked.where("not moved"))
    raise AssertionError("a circle is left among the inviters")


def _up(asked: DataFrame, like: DataFrame) -> DataFrame:
    """Replace each user's ancestor `root_id` by that ancestor's own ancestor `next`, if `next` is not null.

    `more`, the number of steps from `root_id` to `next`, is added to `depth`. The column `moved` is True where that
    happened.

    Args:
        asked: Users with the columns root_id, depth, next and more.
        like: A frame whose columns the result has, besides `moved`.
    """
    there = F.col("next").isNotNull()
    further = {
        "moved": there,
        "root_id": F.coalesce("next", "root_id"),
        "depth": F.col("depth") + F.when(there, F.col("more")).otherwise(0),
    }
    return asked.withColumns(further).select(*like.columns, "moved").localCheckpoint()


def cascades(users: DataFrame) -> DataFrame:
    """Return one row per root (first user of a cascade), for the table `cascades`.

    The columns are channel (of the root), size (users), depth (steps to the farthest user), days (from the first join
    to the last), first_at, last_at.
    """
    own = F.col("user_id") == F.col("root_id")
    return users.groupBy("root_id").agg(
        F.max(F.when(own, F.col("channel"))).alias("channel"),
        F.count(F.lit(1)).alias("size"),
        F.max("depth").alias("depth"),
        (F.coalesce(F.unix_micros(F.max("joined_at")) - F.unix_micros(F.min("joined_at")), F.lit(0)) / 86_400e6).alias(
            "days"
        ),
        F.min("joined_at").alias("first_at"),
        F.max("joined_at").alias("last_at"),
    )


def channel_names(users: DataFrame, most: int) -> tuple[list[str], list[str]]:
    """Return the channels that are measured separately, in two lists.

    Args:
        users: The users, as in `Forest.users`.
        most: Most channels in either list; the rarer ones are put together as `other`.

    Returns:
        The channels of invitation (by which users with an inviter joined), those with most joins first; and the
        channels by which users joined without an inviter, as far as they are not in the first list.
    """
    dated = users.where("joined_at is not null")
    rows = dated.groupBy("channel", F.col("inviter_id").isNull().alias("alone")).count().collect()
    counted = sorted((-r["count"], r["channel"]) for r in rows if not r["alone"])
    invited = [name for _, name in counted[:most]] + ([OTHER] if len(counted) > most else [])
    alone = sorted((-r["count"], r["channel"]) for r in rows if r["alone"] and r["channel"] not in invited)
    others = [name for _, name in alone[:most]] + ([OTHER] if len(alone) > most and OTHER not in invited else [])
    return list(dict.fromkeys(invited)), [n for n in dict.fromkeys(others) if n not in invited]


def numbered(column: str, names: Sequence[str]) -> Column:
    """Return a Spark column with the position of a channel in `names`.

    A channel that is not in `names` gets the position of `other`, or -1 if `other` is not in them; null gets -1.
    """
    place = F.lit(names.index(OTHER) if OTHER in names else -1)
    for number, name in enumerate(names):
        place = F.when(F.col(column) == name, F.lit(number)).otherwise(place)
    return F.when(F.col(column).isNull(), F.lit(-1)).otherwise(place)
