"""Small tables `user_sequences` and `products`, written without Spark."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from itertools import groupby

import numpy as np
import pyarrow as pa

from shopbatch.tables.products import PRODUCTS
from shopbatch.tables.user_sequences import PURCHASE, USER_SEQUENCES
from shopbatch.warehouse.store import Store

START = date(2024, 1, 1)
Row = tuple[str, str, int]  # user, product, day from START on


def put_sequences(store: Store, rows: Iterable[Row], users: Iterable[str] = ()) -> None:
    """Publish purchases; `users` are there without any."""
    by_user = {user: [] for user in users} | {
        user: sorted((day, product) for _, product, day in group)
        for user, group in groupby(sorted(set(rows)), key=lambda row: row[0])
    }
    columns = {
        "user_id": pa.array(by_user, pa.string()),
        "products": pa.array([[p for _, p in row] for row in by_user.values()], pa.list_(pa.string())),
        "days": pa.array(
            [[START + timedelta(days=int(d)) for d, _ in row] for row in by_user.values()], pa.list_(pa.date32())
        ),
        "actions": pa.array([[PURCHASE] * len(row) for row in by_user.values()], pa.list_(pa.int8())),
        "dropped": pa.array(np.zeros(len(by_user), np.int64)),
        "run_id": pa.array(["r"] * len(by_user), pa.string()),
    }
    _put(store, USER_SEQUENCES, pa.table(columns))


def put_products(store: Store, texts: dict[str, tuple[str, str]]) -> None:
    """Publish a catalogue: product -> (title, department)."""
    titles, departments = zip(*texts.values(), strict=True)
    columns = {
        "product_id": pa.array(texts, pa.string()),
        "title": pa.array(titles),
        "department": pa.array(departments),
    }
    _put(store, PRODUCTS, PRODUCTS.fill(len(texts), **columns))


def _put(store: Store, table: object, rows: pa.Table) -> None:
    live = store.find(table.name)  # type: ignore[attr-defined]
    name = f"r{0 if live is None else live.version}"
    files = [store.write_file(table, rows.cast(table.file_schema()), name, 0)]  # type: ignore[attr-defined, arg-type]
    store.commit(table, files, "replace", name, {"job": "test", "run_id": name})  # type: ignore[arg-type]


def of_habit(seed: int, users: int = 120, until: int = 330, rule: bool = True) -> list[Row]:
    """Users of three kinds, who keep to their kind and, from day 220 on, to new habits; without a rule, of none."""
    draw, rows = np.random.default_rng(seed), []
    for user in range(users):
        kind = user % 3 * 20
        for day in range(user % 5, until, 5):
            late = day >= 220
            items = kind + (10 if late else 0) + draw.integers(0, 10, 2) if rule else draw.integers(0, 60, 2)
            rows += [
                (f"u{user:03}", f"p{i:02}", day) for i in items if draw.random() < (0.5 if late or not rule else 0.9)
            ]
    return rows


def of_paths(seed: int, users: int, until: int = 200) -> list[Row]:
    """What a user buys follows from what was bought the time before, and never comes again soon."""
    draw, rows = np.random.default_rng(seed), []
    for user in range(users):
        first, begin = int(draw.integers(60)), int(draw.integers(0, 60))
        for step, day in enumerate(range(begin, until, 11)):
            rows.append((f"u{user:04}", f"p{(first + 7 * step) % 60:02}", day))
    return rows
