"""Count users, joins, invitations and purchases in Spark, for the estimates of `measure_growth` on the driver."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from shopbatch.capabilities.growth.cells import Children, Grid, People, add_children, add_people, nothing
from shopbatch.capabilities.growth.factors import Counts
from shopbatch.capabilities.growth.tree import numbered

_PARTS = 16  # most Spark tasks that send sums to the driver
_SUMS = ("users", "children", "days", "logs")
DAY = 86_400e6  # microseconds


def count(users: DataFrame, cells: Grid, names: Sequence[str], invited: int, resamples: int) -> Counts:
    """Count users and children (users brought by others) by channel, age and bootstrap resample.

    Spark tasks count parts of the data; the driver only adds up their sums.

    Args:
        users: The users, as in `tree.Forest.users`.
        cells: The cells of age.
        names: The channels [A]; the first B of them are channels of invitation.
        invited: B.
        resamples: Number of bootstrap resamples.
    """
    end = F.lit(cells.as_of.timestamp() * 1e6)
    age = (end - F.unix_micros("joined_at")) / DAY
    parent_age = (end - F.unix_micros("inviter_joined")) / DAY
    facts = users.where("joined_at is not null").select(
        F.xxhash64("root_id").alias("root"),
        numbered("channel", names).cast("long").alias("channel"),
        age.alias("age"),
        numbered("inviter_channel", names).cast("long").alias("parent_channel"),
        parent_age.alias("parent_age"),
        (parent_age - age).alias("delay"),
    )
    empty = nothing(cells, len(names), invited, resamples)
    parts = facts.coalesce(_PARTS).mapInArrow(_Counter(cells, empty), "name string, sums binary").toArrow()
    sums: dict[str, np.ndarray] = {name: np.zeros_like(getattr(empty, name)) for name in _SUMS}
    for name, data in zip(parts["name"].to_pylist(), parts["sums"].to_pylist(), strict=True):
        sums[name] += np.frombuffer(data, np.float64).reshape(sums[name].shape)
    return replace(empty, **sums)


class _Counter:
    """Sums up the users and children of one Spark task (called by `mapInArrow`), and yields the sums as bytes."""

    def __init__(self, cells: Grid, empty: Counts) -> None:
        self.cells, self.empty = cells, empty

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        counts = replace(self.empty, **{name: getattr(self.empty, name).copy() for name in _SUMS})
        for batch in batches:
            column = {name: batch[name].to_numpy(zero_copy_only=False) for name in batch.schema.names}
            root = column["root"].astype(np.int64).view(np.uint64)
            add_people(counts, self.cells, People(root, column["channel"], column["age"]))
            known = column["parent_channel"] >= 0
            known &= ~np.isnan(column["parent_age"].astype(np.float64))
            chosen = {name: values[known] for name, values in column.items()}
            add_children(
                counts, self.cells,
                Children(
                    root[known], chosen["parent_channel"].astype(np.int64), chosen["parent_age"].astype(np.float64),
                    chosen["channel"].astype(np.int64), chosen["delay"].astype(np.float64),
                ),
            )  # fmt: skip
        data = [getattr(counts, name).tobytes() for name in _SUMS]
        yield pa.record_batch({"name": pa.array(_SUMS), "sums": pa.array(data, pa.binary())})


def daily_joins(users: DataFrame, cells: Grid, names: Sequence[str], days: int) -> tuple[np.ndarray, np.ndarray]:
    """Count the joins of each of the last days by channel, the oldest day first.

    Args:
        users: The users, as in `tree.Forest.users`.
        cells: The cells of age; gives the moment at which the last day ends.
        names: The channels [A].
        days: Number of days.

    Returns:
        All joins, and those without an invitation, each [days, A].
    """
    ago = F.floor((F.lit(cells.as_of.timestamp() * 1e6) - F.unix_micros("joined_at")) / DAY).cast("int")
    rows = (
        users.where("joined_at is not null")
        .select(
            ago.alias("ago"), numbered("channel", names).alias("channel"), F.col("inviter_id").isNull().alias("alone")
        )
        .where(F.col("ago") < days)
        .groupBy("ago", "channel", "alone")
        .count()
        .collect()
    )
    joins, alone = np.zeros((days, len(names))), np.zeros((days, len(names)))
    for row in rows:
        place = days - 1 - row["ago"]
        joins[place, row["channel"]] += row["count"]
        if row["alone"]:
            alone[place, row["channel"]] += row["count"]
    return joins, alone


def week_of(moment: str) -> Column:
    """Return a Spark column with the Monday of the week of a timestamp, as text (2026-06-29).

    Args:
        moment: Name of the timestamp column.
    """
    return F.date_format(F.date_trunc("week", F.col(moment)), "yyyy-MM-dd")


def funnel(events: DataFrame, names: Sequence[str]) -> dict[tuple[str, str], tuple[int, int, int]]:
    """Count how many invited persons joined and bought, by channel and week of their first invitation.

    A person whose only known invitation is the join itself was invited at that moment.

    Args:
        events: Referral events, as `tree.latest` returns them.
        names: The channels.

    Returns:
        By (channel, Monday of the week): persons invited, those of them who joined, those of these who bought. Channels
        that are not among `names` count as "other".
    """
    rows = (
        events.where("is_asked")
        .select(
            week_of("at").alias("week"),
            F.coalesce("channel", F.lit("unknown")).alias("name"),
            F.col("joined_at").isNotNull().alias("joined"),
            F.col("buyer").alias("bought"),
        )
        .withColumn("channel", numbered("name", names))
        .groupBy("week", "channel")
        .agg(
            F.count(F.lit(1)).alias("invited"),
            F.count_if("joined").alias("came"),
            F.count_if(F.col("joined") & F.col("bought")).alias("bought"),
        )
        .collect()
    )
    return {
        (names[r["channel"]] if r["channel"] >= 0 else "other", r["week"]): (r["invited"], r["came"], r["bought"])
        for r in rows
    }


def retention(
    users: DataFrame, bought: DataFrame, cells: Grid, names: Sequence[str], weeks: int
) -> dict[tuple[str, str], list[float]]:
    """Return the share of users who bought in their 1st, 2nd, ... week after joining, by channel and cohort.

    Args:
        users: The users, as in `tree.Forest.users`.
        bought: Purchases: user_id and `at`.
        cells: The cells of age; gives `as_of` and the cohorts.
        names: The channels.
        weeks: Number of weeks after the join.

    Returns:
        By (channel, cohort), either of which may be "all": one share (0..1) per week, over the users whose week is
        over. Weeks that are not over for any user are left out, so lists may be shorter than `weeks`.
    """
    own = users.where(F.col("joined_at") >= F.lit(str(cells.cohorts[0]))).select(
        "user_id", "joined_at", numbered("channel", names).alias("channel"), week_of("joined_at").alias("cohort")
    )
    full = F.floor((F.lit(cells.as_of.timestamp() * 1e6) - F.unix_micros("joined_at")) / (7 * DAY)).cast("int")
    size = own.withColumn("full", F.least(full, F.lit(weeks))).groupBy("channel", "cohort", "full").count().collect()
    nth = F.floor((F.unix_micros("at") - F.unix_micros("joined_at")) / (7 * DAY)).cast("int")
    rows = (
        own.withColumn("full", full)
        .join(bought, "user_id")
        .where("at >= joined_at")
        .withColumn("nth", nth)
        .where((F.col("nth") < F.lit(weeks)) & (F.col("nth") < F.col("full")))
        .select("user_id", "channel", "cohort", "nth")
        .distinct()
        .groupBy("channel", "cohort", "nth")
        .agg(F.count(F.lit(1)).alias("users"))
        .collect()
    )
    there: dict[tuple[str, str], np.ndarray] = {}
    came: dict[tuple[str, str], np.ndarray] = {}
    for row in size:
        for key in _keys(row["channel"], row["cohort"], names):
            there.setdefault(key, np.zeros(weeks))[: row["full"]] += row["count"]
    for row in rows:
        for key in _keys(row["channel"], row["cohort"], names):
            came.setdefault(key, np.zeros(weeks))[row["nth"]] += row["users"]
    none = np.zeros(weeks)
    return {
        key: [round(float(c / n), 4) for c, n in zip(came.get(key, none), users, strict=True) if n]
        for key, users in there.items()
    }


def _keys(channel: int, cohort: str, names: Sequence[str]) -> list[tuple[str, str]]:
    own = [("all", cohort), ("all", "all")]
    return own if channel < 0 else [*own, (names[channel], cohort), (names[channel], "all")]
