"""Sum up a published day of segments in Spark, for the report and the page of `segment_users`.

The sums are users and money by segment, how segments differ from each other, and how many users moved between them.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from shopbatch.capabilities.marketing.segments.scheme import Scheme
from shopbatch.warehouse import spark_bridge
from shopbatch.warehouse.store import Snapshot

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

COMPARED = (
    "days_since_last", "days_since_first", "active_days_90d", "sales_90d", "basket_spend_mean", "basket_units_mean",
    "interval_mean", "products_bought", "department_entropy", "price_level", "discount_share", "private_label_share",
    "return_line_share",
)  # fmt: skip
NEW = ""  # the former segment of users who were not there on the earlier day


@dataclass(frozen=True)
class Part:
    """Size, sales and characteristics of one segment on one day.

    Attributes:
        name: The name of the segment.
        meaning: What its users have in common, from the scheme.
        users: Number of users.
        money: The users' total sales of the last 30 days, in the shop's currency.
        year: The users' total sales of the last 365 days, in the shop's currency.
        different: {column of `user_profiles`: mean of the segment minus mean of all other users}, in standard
            deviations of all users. The greatest differences come first.
    """

    name: str
    meaning: str
    users: int
    money: float
    year: float
    different: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Day:
    """The segments of one published day: their sizes and sales, and the users who changed their segment.

    Attributes:
        parts: The segments that have users, in the order of the scheme.
        flows: {(segment on the newest earlier day, segment now): number of users}; NEW for users who were not there.
        clusters: {cluster: number of users}.
    """

    parts: list[Part]
    flows: Counter[tuple[str, str]]
    clusters: dict[str, int]

    @property
    def users(self) -> int:
        """Return the number of users in all segments."""
        return sum(part.users for part in self.parts)

    @property
    def moved(self) -> tuple[int, int]:
        """Return the number of users whose segment changed, and the number who had a segment on the earlier day."""
        known = {flow: n for flow, n in self.flows.items() if flow[0] != NEW}
        return sum(n for (a, b), n in known.items() if a != b), sum(known.values())


def read_day(spark: SparkSession, segments: Snapshot, profiles: Snapshot, scheme: Scheme) -> Day:
    """Compute sizes, sales and changes of a day's segments from the segments and the profiles of that day.

    Args:
        spark: The session.
        segments: The rows of `user_segments` of the day.
        profiles: The rows of `user_profiles` of the day.
        scheme: The rules; gives the segments' order and meanings.
    """
    few = segments.rows <= spark_bridge.FEW
    with spark_bridge.for_few_rows(spark) if few else spark_bridge.for_many_groups(spark):
        put = spark_bridge.read(spark, segments, ("user_id", "segment", "previous", "cluster"), segments.files)
        columns = ("user_id", "sales_30d", "sales_365d", *COMPARED)
        known = spark_bridge.read(spark, profiles, columns, profiles.files)
        sums = [F.count(F.lit(1)).alias("users"), *(F.sum(c).cast("double").alias(c) for c in columns[1:3])]
        for name in COMPARED:
            value = F.col(name).cast("double")
            sums += [F.count(value).alias(f"n_{name}"), F.sum(value).alias(f"s_{name}")]
            sums.append(F.sum(value * value).alias(f"q_{name}"))
        joined = put.join(known, "user_id", "left").groupBy("segment").agg(*sums).collect()
        rows = {row["segment"]: {k: float(v or 0) for k, v in row.asDict().items() if k != "segment"} for row in joined}
        moves = put.groupBy("previous", "segment", "cluster").count().collect()
    flows, clusters = Counter[tuple[str, str]](), Counter[str]()
    for row in moves:
        flows[row["previous"] or NEW, row["segment"]] += row["count"]
        if row["cluster"]:
            clusters[row["cluster"]] += row["count"]
    parts = [
        Part(
            name,
            scheme.segments[name].meaning if name in scheme.segments else "",
            int(rows[name]["users"]),
            rows[name]["sales_30d"],
            rows[name]["sales_365d"],
            _different(rows, name),
        )
        for name in [*scheme.segments, *sorted(set(rows) - set(scheme.segments))]
        if name in rows
    ]
    return Day(parts, flows, dict(sorted(clusters.items())))


def _different(rows: dict[str, dict[str, float]], name: str) -> dict[str, float]:
    out = {}
    for column in COMPARED:
        n, s, q = (sum(row[f"{x}_{column}"] for row in rows.values()) for x in "nsq")
        own_n, own_s = rows[name][f"n_{column}"], rows[name][f"s_{column}"]
        spread = math.sqrt(max(0.0, q / n - (s / n) ** 2)) if n else 0.0
        if own_n and n > own_n and spread > 0:
            out[column] = (own_s / own_n - (s - own_s) / (n - own_n)) / spread
    return dict(sorted(out.items(), key=lambda item: -abs(item[1])))
