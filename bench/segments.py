"""How many users change the segment from one published day to the next, without having changed themselves.

Reads a warehouse whose user_profiles holds several days, about a month apart, runs segment_users over them, and
compares it with rfm_segment of user_profiles, whose edges are quantiles of each day.

Whether a user really changed is judged from the active days alone, and not from any segment: (a) the number of active
days between the two days does not fit the 90 days before them (two-sided exact conditional test of two Poisson rates,
5 %), or (b) the money of an active day differs (Mann and Whitney's test, 5 %, from 5 days each), or (c) the first 60
days of a new customer ended. All others count as unchanged, also those who buy too rarely for a test to see anything,
so that the figure is rather too low than too high. Intervals are 95 % (Wilson).

Run: python bench/segments.py --warehouse WAREHOUSE
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import date
from itertools import pairwise

import numpy as np
import polars as pl
from scipy.stats import binom, mannwhitneyu

from shopbatch.capabilities.marketing.days import days_of
from shopbatch.capabilities.marketing.propensity.reader import day_number, read_purchases
from shopbatch.capabilities.marketing.segments.config import SegmentUsersConfig
from shopbatch.capabilities.marketing.segments.run import segment_users
from shopbatch.core.config import Platform
from shopbatch.core.sessions import spark_session
from shopbatch.evaluation.purchases import Purchases
from shopbatch.runs.report import Report
from shopbatch.warehouse.store import Store

BACK, LEVEL, LEAST, NEW = 90, 0.05, 5, 60


def rate_changed(before: int, days_before: float, after: int, days_after: float) -> bool:
    """Whether two counts over so many days speak against one rate: exact, two-sided, given their sum."""
    total, share = before + after, days_after / (days_before + days_after)
    chances = binom.pmf(np.arange(total + 1), total, share)
    return bool(chances[chances <= chances[after] * (1 + 1e-9)].sum() < LEVEL)


def changed(days: Purchases, low: float, high: float) -> np.ndarray:
    """Whether each user really changed between two days."""
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
    """A share with its interval."""
    z, p = 1.96, hits / rows
    middle, half = p + z * z / (2 * rows), z * np.sqrt(p * (1 - p) / rows + z * z / (4 * rows * rows))
    low, high = (middle - half) / (1 + z * z / rows), (middle + half) / (1 + z * z / rows)
    return f"{p:.1%} [{low:.1%}, {high:.1%}] of {rows:,}"


def kept(store: Store, low: date, high: date) -> pl.DataFrame:
    """The users of both days: whether the segment stayed, of user_segments and of user_profiles."""
    frames = []
    for table, column in (("user_segments", "segment"), ("user_profiles", "rfm_segment")):
        rows = pl.read_delta(store.uri(table)).filter(pl.col("as_of").is_in([low, high]))
        wide = [rows.filter(pl.col("as_of") == d).select("user_id", pl.col(column).alias(str(d))) for d in (low, high)]
        both = wide[0].join(wide[1], "user_id")
        frames.append(both.select("user_id", (pl.col(str(low)) == pl.col(str(high))).alias(table)))
    return frames[0].join(frames[1], "user_id")


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the shares of every pair of days, and of all together."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--warehouse", required=True)
    parser.add_argument("--scheme", default="rfm")
    chosen = parser.parse_args(arguments)
    store = Store(chosen.warehouse)
    there = days_of(store.snapshot("user_profiles"))
    config = SegmentUsersConfig.model_validate(
        {"as_of": f"{there[0]}..{there[-1]}", "scheme": chosen.scheme, "gates": {"moved": 1}}
    )
    with spark_session(Platform(warehouse=chosen.warehouse)) as spark:
        segment_users(spark, config, store, Report(job="segment_users"))
    days, ids = read_purchases(store.snapshot("user_daily"), 10**9, 0)
    parts = []
    for low, high in pairwise(there):
        really = pl.DataFrame({"user_id": ids, "changed": changed(days, day_number(low), day_number(high))})
        both = kept(store, low, high).join(really, "user_id")
        parts.append(both)
        print(f"{low} to {high}: {_line(both)}")
    print(f"all: {_line(pl.concat(parts))}")


def _line(rows: pl.DataFrame) -> str:
    same = rows.filter(~pl.col("changed"))
    said = [
        f"{name} kept by {wilson(int(part[table].sum()), len(part))} users {which}"
        for table, name in (("user_segments", "segment"), ("user_profiles", "rfm_segment"))
        for which, part in (("without a real change", same), ("in all", rows))
    ]
    return "; ".join(said)


if __name__ == "__main__":
    main()
