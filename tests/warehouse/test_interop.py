"""After two runs, every table of a job is read alike by deltalake, Polars and DuckDB."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib.resources import files
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable

from shopbatch.tables.schema import TIMESTAMP, Column, Table
from shopbatch.warehouse.store import Store
from tests.inference import toy

pytestmark = pytest.mark.usefixtures("ray_local")


@contextmanager
def reader() -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB that reads Delta."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        folder = Path(str(files("duckdb_extension_delta"))) / "extensions"
        connection.execute(f"LOAD '{next(folder.rglob('delta.duckdb_extension'))}'")
        yield connection


def by_duckdb(uri: str) -> pl.DataFrame:
    with reader() as connection:
        return pl.DataFrame(connection.execute(f"SELECT * FROM delta_scan('{uri}')").fetch_arrow_table())


def same(frame: pl.DataFrame, columns: list[str]) -> list[tuple[object, ...]]:
    micros = [
        pl.col(c).dt.cast_time_unit("us").dt.convert_time_zone("UTC")
        for c, t in frame.schema.items()
        if t.is_temporal()
    ]
    return sorted(frame.with_columns(micros).select(columns).rows(), key=repr)


def test_readers_agree(store: Store) -> None:
    texts = [None, "", "plain", "很好", "😀 emoji", "nul \x00 byte", *(f"text {i % 30}" for i in range(60))]
    reviews = [{"review_id": f"r {i}/=%", "text": t, "language": "en" if i % 2 else None} for i, t in enumerate(texts)]
    toy.put(store, toy.reviews(reviews[:40]))
    toy.run(store, toy.spec())
    toy.put(store, toy.reviews(reviews))
    toy.run(store, toy.spec(model="m2"), gates={"accept_recipe": "any", "reject_share": 1.0})
    for name, rows in (("review_sentiment", 64), ("review_sentiment_rejects", 2), ("score_reviews_memo", None)):
        uri = store.uri(name)
        arrow = pl.DataFrame(pa.table(DeltaTable(uri).to_pyarrow_table()))
        columns = arrow.columns
        expected = same(arrow, columns)
        assert rows is None or len(expected) == rows
        assert same(pl.read_delta(uri), columns) == expected
        assert same(by_duckdb(uri), columns) == expected
        assert same(pl.DataFrame(store.snapshot(name).read()), columns) == expected
    assert pl.read_delta(store.uri("score_reviews_memo"))["recipe"].n_unique() == 2


COLUMNS = {
    "id": pa.string(),
    "flag": pa.bool_(),
    "small": pa.int8(),
    "share": pa.float32(),
    "cents": pa.decimal128(12, 2),
    "day": pa.date32(),
    "moment": TIMESTAMP,
    "text": pa.string(),
}
KINDS = Table("kinds", "One column of each type.", ("id",), tuple(Column(n, t, n) for n, t in COLUMNS.items()))
MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
TRICKY = [
    ("a", True, -128, 0.1, Decimal("-0.01"), date(1969, 12, 31), MOMENT, "x" * 64),
    ("b", False, 127, -0.0, Decimal("9999999999.99"), date(9999, 12, 31), MOMENT.replace(microsecond=678902), "x" * 65),
    ("c", None, None, float("nan"), None, None, None, None),
    ("d", True, 0, 1e30, Decimal("0"), date(1, 1, 1), MOMENT.replace(year=1900), "\U0010ffff" * 3),
    ("e", None, 1, 1e-38, Decimal("1.10"), date(2024, 2, 29), MOMENT.replace(year=2999, microsecond=1), ""),
    ("f", False, -1, 3.4e38, Decimal("1.1"), date(2024, 2, 29), MOMENT, "z'\"\\\n%" + "中" * 40),
    ("\x00", False, 5, 2.5, Decimal("2"), date(2026, 1, 1), MOMENT.replace(microsecond=0), "é\x00中"),
    ("😀", True, 9, 1.5, Decimal("3"), date(2026, 1, 2), MOMENT, "😀 beyond the first plane"),
]


@pytest.mark.parametrize("column", [c for c in COLUMNS if c != "share"])
def test_every_value_is_found_by_every_reader(kinds: Store, column: str) -> None:
    """Readers skip files by the log's statistics: one wrong bound, and rows that are there are not found."""
    uri, position, cast = kinds.uri("kinds"), list(COLUMNS).index(column), COLUMNS[column]
    dataset = DeltaTable(uri).to_pyarrow_dataset()
    with reader() as connection:
        for value in {row[position] for row in TRICKY if row[position] is not None}:
            want = sorted(row[0] for row in TRICKY if row[position] == value)
            scalar = pa.scalar(value, cast)
            by_polars = pl.scan_delta(uri).filter(pl.col(column) == pl.lit(pl.Series(pa.array([value], cast))).first())
            assert sorted(by_polars.collect()["id"].to_list()) == want, value
            assert sorted(dataset.to_table(filter=pc.field(column) == scalar)["id"].to_pylist()) == want, value
            sql = f"SELECT id FROM delta_scan('{uri}') WHERE {column} = ?"
            assert sorted(r[0] for r in connection.execute(sql, [value]).fetchall()) == want, value
        nulls = sorted(row[0] for row in TRICKY if row[position] is None)
        assert sorted(pl.scan_delta(uri).filter(pl.col(column).is_null()).collect()["id"].to_list()) == nulls
        assert sorted(dataset.to_table(filter=pc.field(column).is_null())["id"].to_pylist()) == nulls
        sql = f"SELECT id FROM delta_scan('{uri}') WHERE {column} IS NULL"
        assert sorted(r[0] for r in connection.execute(sql).fetchall()) == nulls


@pytest.mark.parametrize("limit", [-1.0, 0.0, 2.0, 1e20])
def test_numbers_beyond_a_limit_are_found_beside_nan(kinds: Store, limit: float) -> None:
    uri = kinds.uri("kinds")
    want = sorted(row[0] for row in TRICKY if row[3] > limit)
    plain = pl.col("share").is_not_nan() & (pl.col("share") > limit)
    assert sorted(pl.scan_delta(uri).filter(plain).collect()["id"].to_list()) == want
    found = DeltaTable(uri).to_pyarrow_dataset().to_table(filter=pc.field("share") > limit)
    assert sorted(found["id"].to_pylist()) == want
    with reader() as connection:
        sql = f"SELECT id FROM delta_scan('{uri}') WHERE share > {limit} AND NOT isnan(share)"
        assert sorted(r[0] for r in connection.execute(sql).fetchall()) == want


@pytest.fixture
def kinds(store: Store) -> Store:
    """The tricky rows, each alone in a file."""
    data = pa.table({n: pa.array([r[i] for r in TRICKY], t) for i, (n, t) in enumerate(COLUMNS.items())})
    store.commit(
        KINDS, [store.write_file(KINDS, data[i : i + 1], "run1", i) for i in range(len(TRICKY))], "append", "k"
    )
    return store
