"""No value that may name a person stands in Delta's log or in the statistics of a Parquet file."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shopbatch.load.loading import load_file
from shopbatch.tables import TABLES
from shopbatch.tables.schema import Table, hidden_columns
from shopbatch.warehouse import files, spark_bridge
from shopbatch.warehouse.rows import Query, read_table
from shopbatch.warehouse.store import Store

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PERSON = "anna@example.com"
# what a customer is called, wherever it stands
NAMES = {"user_id", "review_id", "session_id", "dialog_id"}


def bounds_in_footer(file: Path) -> dict[str, object]:
    meta = pq.ParquetFile(file).metadata
    columns = [meta.row_group(0).column(i) for i in range(meta.num_columns)]
    return {c.path_in_schema: c.statistics for c in columns if c.statistics is not None or c.has_column_index}


def whole_log(store: Store, table: str) -> str:
    return "".join(f.read_text() for f in Path(store.uri(table), "_delta_log").glob("*.json"))


def _least(kind: pa.DataType) -> object:
    """A value of a type, as Python has it."""
    if kind.num_fields:
        return {} if pa.types.is_struct(kind) else []
    if pa.types.is_decimal(kind):
        return Decimal(0)
    if pa.types.is_binary(kind):
        return b""
    return pa.scalar(0, pa.int32() if pa.types.is_date(kind) else pa.int64()).cast(kind).as_py()


@pytest.mark.parametrize("name", TABLES)
def test_no_statistics_hold_what_names_a_person(store: Store, name: str) -> None:
    table: Table = TABLES[name]
    texts = {c.name: pa.repeat(PERSON, 2) for c in table.columns if c.type == pa.string()}
    hidden = hidden_columns(table.schema())
    assert NAMES & set(table.names) <= hidden and not {"product_id", "created_at"} & hidden
    others = [f for f in table.file_schema() if f.name not in texts]
    values = {f.name: pa.array([_least(f.type)] * 2, f.type) for f in others}
    texts = {n: v if n in hidden else pa.repeat("x", 2) for n, v in texts.items()}
    rows = pa.table({f.name: texts.get(f.name, values.get(f.name)) for f in table.file_schema()})
    if table.partition_by:
        return  # its files are written by the machinery that fills it
    file = store.write_file(table, rows.cast(table.file_schema()), "r", 0)
    store.commit(table, [file], "append", "r")
    assert PERSON not in whole_log(store, name)
    assert not hidden & set(bounds_in_footer(Path(store.uri(name), file.path)))


def test_rows_are_still_found_by_a_key_without_statistics(store: Store, tmp_path: Path) -> None:
    file = tmp_path / f"export {PERSON}.csv"
    file.write_text("review_id,product_id,text\n" + "".join(f"r{i},p{i % 3},text {i}\n" for i in range(9)))
    load_file(store, "reviews", file)
    snapshot = store.snapshot("reviews")
    assert PERSON not in whole_log(store, "reviews") and "[email]" in whole_log(store, "reviews")
    assert not snapshot.bounds("review_id") and list(snapshot.bounds("product_id").values()) == [("p0", "p2")]
    assert read_table(snapshot, Query(where=["review_id=r7"]))["text"].to_pylist() == ["text 7"]
    assert read_table(snapshot, Query(where=["product_id=p9"])).num_rows == 0


def test_a_null_in_a_key_without_statistics_is_noticed(store: Store) -> None:
    table = TABLES["reviews"]
    columns = {f.name: pa.nulls(1, f.type) for f in table.file_schema()}
    folder = Path(store.uri("reviews"), "r")
    folder.mkdir(parents=True)
    fields = [f.with_nullable(True) for f in table.file_schema()]
    pq.write_table(pa.table(columns, pa.schema(fields)), folder / "a.parquet", write_statistics=False)
    with pytest.raises(TypeError, match="null in column"):
        files.describe(store.uri("reviews"), "r/a.parquet", table.file_schema())


def test_spark_writes_no_statistics_of_what_names_a_person(store: Store, spark: SparkSession) -> None:
    table = TABLES["campaigns"]
    values = {f.name: pa.repeat(PERSON if f.name == "user_id" else "x", 3) for f in table.schema()
              if f.type == pa.string()}  # fmt: skip
    values |= {f.name: pa.array([0] * 3).cast(f.type) for f in table.schema() if f.name not in values}
    frame = spark.createDataFrame(pa.table({n: values[n] for n in table.names}))
    written = spark_bridge.write(frame.coalesce(1), store, table, "run")
    store.commit(table, written, "append", "run")
    assert PERSON not in whole_log(store, table.name)
    bounds = bounds_in_footer(Path(store.uri(table.name), written[0].path))
    assert "campaign_id" in bounds and not {"user_id", "source"} & set(bounds)
    loose = pa.schema([f.with_nullable(True) for f in table.schema()])
    nobody = pa.table({n: values[n] for n in table.names} | {"user_id": pa.nulls(3, pa.string())}, loose)
    with pytest.raises(TypeError, match="null in column"):
        spark_bridge.write(spark.createDataFrame(nobody), store, table, "again")
