"""Compute the measures, bands and segments of users from their profiles, as Spark expressions (job `segment_users`).

A measure is a number (such as visits a month), a band is a range of it (low, middle, high), and a segment is a rule
over bands. A user stays in the former band while the value is within a margin beyond its edges, so a value that varies
around an edge does not move the user back and forth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from shopbatch.capabilities.marketing.segments.scheme import Measure, Scheme

BASIS = ("days_since_last", "days_since_first", "active_days_all", "active_days_365d", "sales_365d", "interval_mean")
MONTH, YEAR = 30.4, 365.0  # days
SHORTEST = 10.0  # days: least gap, so that frequent buyers are not late after a few days
PRIOR = 2.0  # gaps of the shop's mean length that are added to each user's gaps
_LEAST_DAYS = 30.0  # monthly rates are computed over at least so many days


@dataclass(frozen=True)
class Edges:
    """The edges between bands. They are kept from day to day, so that nobody moves merely because other users changed.

    Attributes:
        gap: Mean number of days between two active days, over all users.
        edges: By measure, the values at which one band ends and the next begins, ascending.
    """

    gap: float
    edges: Mapping[str, tuple[float, ...]]

    def tree(self) -> dict[str, Any]:
        """Return the edges as JSON values, for the metadata of the day."""
        return {"gap": self.gap, "edges": {name: list(values) for name, values in self.edges.items()}}

    @staticmethod
    def of(tree: Mapping[str, Any]) -> Edges:
        """Decode the JSON values that `tree` produced."""
        return Edges(float(tree["gap"]), {name: tuple(values) for name, values in tree["edges"].items()})


def mean_gap(profiles: DataFrame) -> float:
    """Return the mean number of days between two consecutive active days, over all users; 30 if no user has two."""
    gaps = F.col("active_days_all") - 1
    row = profiles.where("interval_mean is not null").agg(
        F.sum(gaps).alias("n"), F.sum(F.round(F.col("interval_mean") * gaps)).alias("days")
    ).first()  # fmt: skip
    return float(row["days"] / row["n"]) if row is not None and row["n"] else 30.0


def with_values(profiles: DataFrame, scheme: Scheme, gap: float) -> DataFrame:
    """Add the column `value_<measure>` (double) for every measure of the scheme.

    It is null where the profile lacks the number. `lateness` (days since the last active day over the user's usual gap)
    and the monthly rates are also null for users who never bought anything.

    Args:
        profiles: Rows of `user_profiles`.
        scheme: The rules.
        gap: The shop's mean gap in days; it counts like two further gaps of every user, so that users with few active
            days get a sensible lateness.
    """
    own = F.coalesce(F.col("interval_mean"), F.lit(0.0)) * (F.col("active_days_all") - 1)
    usual = F.greatest((own + PRIOR * gap) / (F.col("active_days_all") - 1 + PRIOR), F.lit(SHORTEST))
    months = F.least(F.greatest(F.col("days_since_first").cast("double"), F.lit(_LEAST_DAYS)), F.lit(YEAR)) / MONTH
    buyer = F.col("active_days_all") > 0
    computed = {
        "lateness": F.when(buyer, F.col("days_since_last") / usual),
        "days_per_month": F.when(buyer, F.col("active_days_365d") / months),
        "money_per_month": F.when(buyer, F.col("sales_365d").cast("double") / months),
    }
    values = {
        f"value_{name}": computed.get(m.value, F.col(m.value).cast("double")) for name, m in scheme.measures.items()
    }
    return profiles.withColumns(values)


def find_edges(valued: DataFrame, scheme: Scheme, gap: float) -> Edges:
    """Compute the edges that are stated as quantiles, and copy the fixed ones.

    Quantiles are taken over users who have bought something, and rounded to four significant digits.

    Args:
        valued: Users with the columns of `with_values`.
        scheme: The rules.
        gap: The shop's mean gap in days, which is stored with the edges.
    """
    wanted = {name: m.quantiles for name, m in scheme.measures.items() if m.quantiles}
    edges = {name: m.edges for name, m in scheme.measures.items() if m.edges}
    if wanted:
        # rounding leaves few distinct values, so that Spark can count them exactly
        quantiles = valued.where("active_days_all > 0").agg(
            *(F.percentile(F.round(f"value_{name}", 2), list(shares)).alias(name) for name, shares in wanted.items())
        ).first()  # fmt: skip
        for name, shares in wanted.items():
            stated = quantiles[name] if quantiles is not None else None
            edges[name] = tuple(float(f"{v:.4g}") for v in stated) if stated else (0.0,) * len(shares)
    return Edges(gap, edges)


def with_segments(valued: DataFrame, scheme: Scheme, edges: Edges) -> DataFrame:
    """Add the columns `band_<measure>` (position from 0; null without a value) and `segment` (name).

    Args:
        valued: Users with the columns of `with_values`, and `was_<measure>`: the band's name on the earlier day, or
            null.
        scheme: The rules; the first segment whose conditions hold is taken, else the last one.
        edges: The edges between bands.
    """
    banded = valued.withColumns({f"band_{n}": _band(n, m, edges.edges[n]) for n, m in scheme.measures.items()})
    chain: Column | None = None
    *conditional, last = scheme.segments.items()
    for name, segment in conditional:
        parts = [
            *(_in_bands(scheme.measures[m], m, bands) for m, bands in segment.bands.items()),
            *(F.col(c).cast("double") < F.lit(float(v)) for c, v in segment.below.items()),
            *(F.col(c).cast("double") >= F.lit(float(v)) for c, v in segment.at_least.items()),
        ]
        holds = parts[0]
        for part in parts[1:]:
            holds = holds & part
        holds = F.coalesce(holds, F.lit(False))
        chain = F.when(holds, name) if chain is None else chain.when(holds, name)
    return banded.withColumn("segment", F.lit(last[0]) if chain is None else chain.otherwise(last[0]))


def _band(name: str, measure: Measure, edges: Sequence[float]) -> Column:
    """Return a Spark column with the position of a user's band from 0; null without a value.

    A user stays in the former band unless the value is beyond its edge by the margin.
    """
    value, wide = F.col(f"value_{name}"), 1 + measure.margin

    def passed(limits: Sequence[float]) -> Column:
        return sum((F.when(value >= F.lit(limit), 1).otherwise(0) for limit in limits), F.lit(0))

    low = passed([max(e * wide, e / wide) for e in edges])
    high = passed([min(e * wide, e / wide) for e in edges])
    before: Column = F.lit(None).cast("int")
    for number, band in enumerate(measure.bands):
        before = F.when(F.col(f"was_{name}") == band, number).otherwise(before)
    # Spark's `greatest` and `least` skip nulls, so users without a former band need a case of their own
    kept = F.when(before.isNull(), passed(edges)).otherwise(F.least(F.greatest(before, low), high))
    return F.when(value.isNotNull(), kept)


def _in_bands(measure: Measure, name: str, bands: Sequence[str]) -> Column:
    return F.col(f"band_{name}").isin([measure.bands.index(band) for band in bands])


def bands_by_name(scheme: Scheme) -> Column:
    """Return a Spark map column {measure: name of the user's band}; measures without a value are left out."""
    entries = []
    for name, measure in scheme.measures.items():
        names = F.array(*map(F.lit, measure.bands))
        entries.append(F.struct(F.lit(name).alias("key"), F.get(names, F.col(f"band_{name}")).alias("value")))
    return F.map_from_entries(F.filter(F.array(*entries), lambda e: e["value"].isNotNull()))
