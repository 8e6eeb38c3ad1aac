"""After two runs, every table of a job is read alike by deltalake, Polars and DuckDB."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pytest
from deltalake import DeltaTable

from shopbatch.tables.store import Store
from tests.inference import toy

pytestmark = pytest.mark.usefixtures("ray_local")


def by_duckdb(uri: str) -> pl.DataFrame:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        folder = Path(str(files("duckdb_extension_delta"))) / "extensions"
        connection.execute(f"LOAD '{next(folder.rglob('delta.duckdb_extension'))}'")
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
