"""A small shop by hand: its products, the histories of its users, and a recommender that is fitted to these."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from shopbatch.capabilities.recommendations.discover import Mixture, counted, mixed
from shopbatch.capabilities.recommendations.habit import Habit
from shopbatch.capabilities.recommendations.neighbours import NextSettings
from shopbatch.capabilities.recommendations.recommend.catalogue import ANYWHERE, Catalogue, Markets
from shopbatch.capabilities.recommendations.recommend.histories import Numbers
from shopbatch.capabilities.recommendations.recommend.lists import Rules
from shopbatch.capabilities.recommendations.recommend.stage import Shop
from shopbatch.capabilities.recommendations.recommender import Recommender
from shopbatch.models import registry
from shopbatch.tables.products import PRODUCTS
from shopbatch.tables.schema import Table
from shopbatch.tables.user_sequences import PURCHASE, USER_SEQUENCES
from shopbatch.tables.users import USERS
from shopbatch.warehouse.store import Store

START = date(2024, 1, 1)
Entry = tuple[str, int, int]  # product, days after START, action
UNTOLD = 4  # the product that is excluded in `shop_of`
KINDS = ("MILK", "BREAD", "RAZOR", "SOAP")


def day(number: int) -> date:
    return START + timedelta(number)


def datetime_of(number: int) -> datetime:
    return datetime.combine(day(number), datetime.min.time(), UTC)


def put(store: Store, table: Table, rows: Sequence[Mapping[str, Any]], run: str) -> int:
    """Replace a source table."""
    columns = {f.name: pa.array([row.get(f.name) for row in rows], f.type) for f in table.schema()}
    written = store.write_file(table, pa.table(columns, schema=table.schema()), run, 0)
    return store.commit(table, [written], "replace", run)


def put_products(store: Store, rows: Iterable[Mapping[str, Any]], run: str = "products-1") -> None:
    put(store, PRODUCTS, list(rows), run)


def put_users(store: Store, markets: Mapping[str, str | None], run: str = "users-1") -> None:
    put(store, USERS, [{"user_id": user, "market": market} for user, market in markets.items()], run)


def put_histories(store: Store, histories: Mapping[str, Sequence[Entry]], run: str = "sequences-1") -> None:
    put(store, USER_SEQUENCES, [sequence(user, entries) for user, entries in histories.items()], run)


def sequence(user: str, entries: Sequence[Entry]) -> dict[str, Any]:
    """A row of user_sequences."""
    ordered = sorted(entries, key=lambda e: (e[1], e[0], e[2]))
    products, days, actions = ([e[n] for e in ordered] for n in range(3))
    lists = {"products": products, "days": [day(d) for d in days], "actions": actions}
    return {"user_id": user, **lists, "dropped": 0, "run_id": "by-hand"}


def content(histories: Mapping[str, Sequence[Entry]]) -> pa.Table:
    """The columns of user_sequences that the stage reads."""
    names = ("products", "days", "actions")
    rows = [sequence(user, entries) for user, entries in histories.items()]
    return pa.table({n: pa.array([r[n] for r in rows], USER_SEQUENCES.schema().field(n).type) for n in names})


def catalogue(count: int = 24) -> list[dict[str, Any]]:
    """Products p00, p01, ... of four kinds in turn; each kind has two product types."""
    return [
        {
            "product_id": f"p{n:02d}",
            "title": f"{KINDS[n % 4].title()} {n}",
            "department": "FOOD" if n % 4 < 2 else "CARE",
            "category": KINDS[n % 4],
            "product_type": f"{KINDS[n % 4]} {n % 8 // 4}",
        }
        for n in range(count)
    ]


def drawn(users: int, seed: int = 0, count: int = 24, last: int = 150) -> dict[str, list[Entry]]:
    """Histories: milk and bread are bought again and again, razors and soap once. The last two products: never."""
    draw = np.random.default_rng(seed)
    histories = {}
    for user in range(users):
        entries: set[Entry] = set()
        for product in draw.choice(count - 2, int(draw.integers(1, 7)), replace=False).tolist():
            times = int(draw.integers(1, 6)) if product % 4 < 2 else 1
            entries |= {(f"p{product:02d}", int(d), PURCHASE) for d in draw.integers(0, last, times)}
        histories[f"u{user:03d}"] = sorted(entries)
    return histories


def shop_of(
    listed: np.ndarray, seldom: np.ndarray, size: int = 6, markets: Markets | None = None, **rules: Any
) -> Shop:
    """What lists are made by, of the products of `catalogue` on day 200; every fifth is sold in the US alone."""
    rows = catalogue()
    ids = pa.array([p["product_id"] for p in rows])
    kinds = sorted({p["product_type"] for p in rows})
    groups = {"product_type": np.array([kinds.index(p["product_type"]) for p in rows])}
    market = np.array([0 if n % 5 == 0 else ANYWHERE for n in range(len(rows))])
    names = pa.array([p["title"] for p in rows])
    nameable = np.arange(len(rows)) != UNTOLD
    made = Catalogue(ids, names, listed & nameable, nameable, market, ("US",), groups, {"product_type": tuple(kinds)})
    today = (day(200) - date(1970, 1, 1)).days
    made_by = {"mmr": 0.7, "most_per_group": {"product_type": 2}, "returned_days": 100, "seldom_days": 60} | rules
    return Shop(made, Rules(size=size, seldom=seldom, today=today, **made_by), markets)


def fit(histories: Mapping[str, Sequence[Entry]], ids: Sequence[str]) -> Recommender:
    (history,) = Numbers.of(ids).read(content(histories), (PURCHASE,))
    discover = mixed(counted(history, NextSettings(keep=20)), history, Mixture(0.5, 0.5))
    return Recommender(tuple(ids), Habit.fit(history, 90.0), discover)


def publish_model(store: Store, recommender: Recommender) -> registry.Model:
    return registry.publish(f"{store.root}/_models", "recommender", recommender.save)


def open_shelf(store: Store, users: int = 60) -> dict[str, list[Entry]]:
    """A warehouse in which everything is there but the lists; returns the histories."""
    histories = drawn(users)
    put_products(store, catalogue())
    put_histories(store, histories)
    publish_model(store, fit(histories, [p["product_id"] for p in catalogue()]))
    return histories
