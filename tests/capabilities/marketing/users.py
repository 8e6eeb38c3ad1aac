"""Days of user_profiles and user_daily, written as build_user_profiles would leave them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from shopbatch.evaluation.purchases import Purchases
from shopbatch.tables.user_daily import USER_DAILY
from shopbatch.tables.user_profiles import USER_PROFILES
from shopbatch.warehouse import files
from shopbatch.warehouse.store import Store

Row = Mapping[str, Any]
START = date(2024, 1, 1)


def day(number: int) -> date:
    """The day so many days after START."""
    return START + timedelta(days=number)


def put_profiles(store: Store, as_of: date, rows: Sequence[Row]) -> None:
    """Publish a day of user_profiles in place of the one that is there. Columns that a row lacks are null."""
    schema = USER_PROFILES.file_schema()
    filled = [{"run_id": "by-hand", **row} for row in rows]
    data = pa.table({f.name: pa.array([r.get(f.name) for r in filled], f.type) for f in schema}, schema=schema)
    run = "run-" + hashlib.sha256(repr((as_of, rows)).encode()).hexdigest()[:10]
    partition = {"as_of": as_of.isoformat()}
    path = f"as_of={as_of}/{run}/part-0.parquet"
    files.write(f"{store.uri('user_profiles')}/{path}", data)
    file = files.describe(store.uri("user_profiles"), path, schema, partition)
    live = store.find("user_profiles")
    gone = [f.path for f in live.part(partition).files] if live else []
    store.commit(USER_PROFILES, [file], "rewrite", run, {"run_id": run}, [p for p in gone if p != path])


def profile(user: str, last: int, first: int, days: int, money: float, **more: Any) -> Row:
    """A user's profile: days since last and first, active days (all in a year), and money of a year."""
    gap = (first - last) / (days - 1) if days > 1 else None
    row: dict[str, Any] = {"user_id": user, "days_since_last": last, "days_since_first": first}
    row |= {"active_days_all": days, "active_days_365d": days, "interval_mean": gap}
    row |= {"sales_365d": Decimal(f"{money:.2f}"), "sales_30d": Decimal(f"{money / 12:.2f}")}
    return row | more


def put_daily(store: Store, purchases: Purchases, ids: Sequence[str] = ()) -> None:
    """Replace user_daily by these active days."""
    schema = USER_DAILY.file_schema()
    names = ids or user_ids(purchases.users)
    n = len(purchases.day)
    zeros = pa.array(np.zeros(n))
    needed = [f for f in schema if not f.nullable and f.name not in ("user_id", "day")]
    columns: dict[str, Any] = {f.name: zeros.cast(f.type) for f in needed}
    columns |= {"user_id": pa.array([names[u] for u in purchases.user], pa.string())}
    columns |= {"day": pa.array(purchases.day.astype(np.int32), pa.int32()).cast(pa.date32())}
    cents = pa.array(np.round(purchases.money * 100).astype(np.int64))
    columns |= {"baskets": pa.array(np.ones(n, np.int64)), "purchase_cents": cents, "sales_cents": cents}
    data = USER_DAILY.fill(n, **columns)
    run = "run-" + hashlib.sha256(purchases.day.tobytes() + purchases.money.tobytes()).hexdigest()[:10]
    store.commit(USER_DAILY, [store.write_file(USER_DAILY, data, run, 0)], "replace", run)


def user_ids(users: int) -> list[str]:
    """Ids in the order of their numbers."""
    return [f"u{i:05d}" for i in range(users)]


def drawn(seed: int, users: int, days: int, rates: Sequence[float], stop: float = 0.0) -> Purchases:
    """Users who buy each day with a probability of their own, and perhaps leave for good.

    Args:
        seed: Of the draw.
        users: How many.
        days: Days from START on.
        rates: Probabilities of a day, one of which each user has.
        stop: Probability to leave for good after a purchase.
    """
    generator = np.random.default_rng(seed)
    rate = generator.choice(rates, users)
    bought = generator.random((users, days)) < rate[:, None]
    left = np.cumsum(bought & (generator.random((users, days)) < stop), axis=1)
    left = np.column_stack([np.zeros(users), left[:, :-1]])
    user, number = np.nonzero(bought & (left == 0))
    money = np.round(generator.lognormal(2.0, 0.5, users)[user] * generator.lognormal(0.0, 0.3, len(user)), 2)
    first = (START - date(1970, 1, 1)).days
    known, user = np.unique(user, return_inverse=True)
    return Purchases(user.astype(np.int64), number.astype(np.int64) + first, money, len(known))
