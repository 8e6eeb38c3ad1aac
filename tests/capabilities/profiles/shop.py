"""A small shop of hand-written rows: written to a warehouse, run through the job, and computed by the oracle."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import SparkSession

from shopbatch.capabilities.profiles.config import ProfileConfig
from shopbatch.capabilities.profiles.run import build_profiles
from shopbatch.capabilities.profiles.tiles import Tiler, Update
from shopbatch.capabilities.profiles.tiling import TRANSACTION_TILES, Tiling
from shopbatch.runs.report import Report, new_run_id
from shopbatch.tables import TABLES, Table
from shopbatch.tables.products import PRODUCTS
from shopbatch.tables.transactions import TRANSACTIONS
from shopbatch.tables.users import USERS
from shopbatch.warehouse.store import Store
from tests.capabilities.profiles import oracle

Row = Mapping[str, Any]
CATALOGUE = [
    {"product_id": "p1", "department": "GROCERY", "category": "MILK", "brand": "National"},
    {"product_id": "p2", "department": "GROCERY", "category": "TEA", "brand": "Private"},
    {"product_id": "p3", "department": "DRUG", "category": None, "brand": None},
]


def at(day: str, hour: int = 12) -> datetime:
    """A moment of a day, UTC."""
    return datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC).replace(hour=hour)


def line(basket: str, product: str = "p1", user: str = "u1", day: str = "2024-03-01", **more: Any) -> dict[str, Any]:
    """A row of transactions; `value` and the discounts in cents."""
    value = more.pop("value", 100)
    row = {
        "basket_id": basket, "product_id": product, "user_id": user, "quantity": 1,
        "sales_value": None if value is None else Decimal(value) / 100, "retail_discount": Decimal(0),
        "coupon_discount": Decimal(0), "coupon_match_discount": Decimal(0), "transaction_at": at(day),
    }  # fmt: skip
    return {**row, **more}


def rows_of(table: Table, rows: Iterable[Row]) -> pa.Table:
    """Rows as the table's columns; a column that a row does not name is null."""
    rows = list(rows)
    schema = pa.schema([pa.field(c.name, c.type) for c in table.columns])
    return pa.table({c.name: pa.array([r.get(c.name) for r in rows], c.type) for c in table.columns}, schema=schema)


def put(store: Store, table: Table, rows: Iterable[Row], mode: str = "append") -> int:
    """Append rows to a table of the warehouse as one more file, or replace the table with them."""
    data = rows_of(table, rows).cast(table.schema())
    written = [store.write_file(table, data, new_run_id(), 0)]
    return store.commit(table, written, mode, "test")  # type: ignore[arg-type]


def open_shop(store: Store, lines: Iterable[Row]) -> None:
    """A warehouse with a catalogue, its users, and these transactions."""
    lines = list(lines)
    put(store, PRODUCTS, CATALOGUE)
    users = sorted({str(r["user_id"]) for r in lines if r["user_id"]} | {"u1"})
    put(store, USERS, [{"user_id": u, "age": "25-34" if u == "u1" else None} for u in users])
    put(store, TRANSACTIONS, lines)


def many(count: int = 40) -> list[dict[str, Any]]:
    """Enough rows that a change is a small part of the source."""
    return [line(f"b{i:03}", f"p{i % 4}", f"u{i % 5}", f"2024-03-{i % 18 + 1:02}", value=100 + i) for i in range(count)]


def grow(store: Store) -> None:
    """A warehouse whose transactions lie in six files: `many` rows, and earlier days that were appended later."""
    open_shop(store, many())
    for part in range(5):
        put(store, TRANSACTIONS, [line(f"c{part}{i}", day=f"2024-02-{part + 1:02}", user=f"u{i}") for i in range(6)])


def run(spark: SparkSession, store: Store, **config: Any) -> Report:
    """Run the job in local mode; the session's time zone is reset afterwards."""
    report = Report(job="build_user_profiles")
    try:
        build_profiles(spark, ProfileConfig(**config), store, report)
    finally:
        spark.conf.set("spark.sql.session.timeZone", "UTC")
    return report


def tile(spark: SparkSession, store: Store, tiling: Tiling = TRANSACTION_TILES, zone: str = "UTC") -> Update:
    """Bring only the tiles of one source up to date; the session's time zone is reset afterwards."""
    spark.conf.set("spark.sql.shuffle.partitions", "2")
    spark.conf.set("spark.sql.session.timeZone", zone)
    try:
        return Tiler(spark, store, tiling, zone, new_run_id()).update(store.snapshot(tiling.source.name))
    finally:
        spark.conf.set("spark.sql.session.timeZone", "UTC")


def profiles(store: Store, as_of: date) -> pa.Table:
    """The published rows of a day."""
    return store.snapshot("user_profiles").read(where=pc.field("as_of") == pa.scalar(as_of)).sort_by("user_id")


def expected_profiles(store: Store, as_of: date, **more: Any) -> pa.Table:
    """The day's profiles as the oracle computes them from the source tables of the warehouse."""
    con = duckdb.connect()
    for name in ("transactions", "products", "users", "campaigns", "coupons", "redemptions", "reviews",
                 "review_sentiment", "events"):  # fmt: skip
        snapshot = store.find(name)
        if snapshot is not None:
            con.register(f"arrow_{name}", snapshot.read(list(TABLES[name].names)))
            con.execute(f"create table {name} as select * from arrow_{name}")
    return oracle.profiles(con, as_of, **more)


def content(store: Store, name: str) -> list[tuple[Any, ...]]:
    """All rows of a table, sorted: two tables with the same rows give the same list."""
    return sorted((tuple(r.values()) for r in store.snapshot(name).read().to_pylist()), key=repr)
