"""Build the graph of contacts from referral events: who may bring whom, with which probability (`choose_inviters`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import polars as pl

from shopbatch.capabilities.growth.reach import Graph, graph
from shopbatch.warehouse import files
from shopbatch.warehouse.store import Snapshot

Numbers = npt.NDArray[np.int64]
COLUMNS = ("event_id", "inviter_id", "invitee_id", "channel", "kind", "at", "ingested_at", "device_hash")


def read_events(snapshot: Snapshot, as_of: datetime) -> pl.DataFrame:
    """Read the referral events before `as_of`, sorted by time, each once.

    Of several rows of one event the last that arrived counts.

    Args:
        snapshot: The table `referral_events`.
        as_of: The moment before which events count.

    Returns:
        event_id, inviter_id (null: none), invitee_id, channel, kind (invited, joined, bought), at, device_hash. Events
        without invitee or kind are left out.
    """
    if not snapshot.files:
        return pl.DataFrame(schema={n: pl.String for n in COLUMNS} | {"at": pl.Datetime("us", "UTC")})
    seen = pl.coalesce("ingested_at", "at")
    return (
        files.scan([f.uri for f in snapshot.files], snapshot.schema)
        .select(COLUMNS)
        .filter(pl.col("invitee_id").is_not_null() & pl.col("kind").is_not_null() & (pl.col("at") < as_of))
        .sort(seen, "at", "invitee_id")
        .unique("event_id", keep="last")
        .drop("ingested_at")
        .with_columns(pl.col("inviter_id", "invitee_id").str.strip_chars())
        .sort("at", "event_id")
        .collect()
    )


@dataclass(frozen=True)
class Contacts:
    """The graph of persons who appear in referral events, users or not.

    Attributes:
        names: Ids of all persons, sorted [nodes]; the position of an id is the person's node.
        is_user: True for persons who have joined, bought or invited somebody [nodes].
        arcs: Directed arcs from inviter to invitee, with the probability of a join.
        root: Node of the first user of each person's cascade [nodes].
        accepted: By channel, the smoothed share of contacts that ended in a join, 0..1.
    """

    names: pl.Series
    is_user: npt.NDArray[np.bool_]
    arcs: Graph
    root: Numbers
    accepted: dict[str, float]

    @property
    def others(self) -> Numbers:
        """Return the nodes of persons who are not users yet: those who count as new users when they are reached."""
        return np.flatnonzero(~self.is_user)

    def places(self, names: Sequence[str] | pl.Series) -> Numbers:
        """Return the node of each name, int64 [n]; every name must be known."""
        return np.asarray(self.names.search_sorted(pl.Series(names, dtype=pl.String)), np.int64)


def contacts(events: pl.DataFrame) -> Contacts:
    """Build the graph of persons who appear in referral events, with the probability that one brings the other.

    A contact is a pair of persons of whom one has invited or brought the other. The probability that an invitation ends
    in a join is learnt by channel: the share of the channel's contacts that ended in one, with one more success and one
    more failure, so that a rare channel is not taken for certain. Several invitations of one pair count as independent.

    Args:
        events: Referral events, as `read_events` returns them.
    """
    names = pl.concat([events["inviter_id"], events["invitee_id"]]).drop_nulls().unique().sort()
    place = pl.DataFrame({"name": names, "place": np.arange(len(names))})
    rows = events.filter(
        pl.col("inviter_id").is_not_null()
        & (pl.col("inviter_id") != pl.col("invitee_id"))
        & (pl.col("kind") != "bought")
    ).with_columns(pl.col("channel").fill_null("unknown"))
    pairs = rows.group_by("inviter_id", "invitee_id", "channel").agg(
        (pl.col("kind") == "joined").any().alias("joined"), (pl.col("kind") == "invited").sum().alias("times")
    )
    learned = pairs.group_by("channel").agg(((pl.col("joined").sum() + 1) / (pl.len() + 2)).alias("p")).sort("channel")
    misses = (1 - pl.col("p")).pow(pl.col("times").clip(1, 20)).product()
    arcs = (
        pairs.join(learned, "channel")
        .group_by("inviter_id", "invitee_id")
        .agg((1 - misses).alias("p"))
        .join(place.rename({"name": "inviter_id", "place": "tail"}), "inviter_id")
        .join(place.rename({"name": "invitee_id", "place": "head"}), "invitee_id")
        .sort("tail", "head")
    )
    users = pl.concat([events.filter(pl.col("kind") != "invited")["invitee_id"], rows["inviter_id"]]).unique()
    is_user = np.zeros(len(names), bool)
    is_user[names.search_sorted(users)] = True
    made = graph(len(names), arcs["tail"].to_numpy(), arcs["head"].to_numpy(), arcs["p"].to_numpy())
    return Contacts(names, is_user, made, _roots(events, names), dict(learned.iter_rows()))


def _roots(events: pl.DataFrame, names: pl.Series) -> Numbers:
    """Return, for each person, the node of the first user of the cascade: the end of the chain of inviters.

    The inviter of a person is the one that the person's first join names. If users brought each other in a circle, the
    node is any user of the circle.
    """
    joins = events.filter(pl.col("kind") == "joined").unique("invitee_id", keep="first", maintain_order=True)
    joins = joins.filter(pl.col("inviter_id").is_not_null())
    to = np.arange(len(names))
    to[names.search_sorted(joins["invitee_id"])] = names.search_sorted(joins["inviter_id"])
    for _ in range(len(names).bit_length() + 1):
        to = to[to]
    return to
