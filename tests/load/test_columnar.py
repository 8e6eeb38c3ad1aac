"""Parquet folders and Delta tables of other clients give the rows that their readers see, or are refused by name."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from shopbatch.core.errors import UserError
from shopbatch.load import load_file
from shopbatch.load.formats import open_input
from shopbatch.load.options import Options
from shopbatch.warehouse.store import Store
from tests.load.delta_tables import DeltaTableByHand, column, vector_in_file, vector_in_log


def read(path: Path, *names: str) -> list[tuple[Any, ...]]:
    """The rows of an input, with the names of their files and their row numbers."""
    opened, rows = open_input(path), []
    for batch in opened.batches(names or opened.names):
        columns = [list(batch.get(n)) for n in names or opened.names]
        values = [[v.as_py() if isinstance(v, pa.Scalar) else v for v in c] for c in columns]
        rows += list(zip(*values, [batch.file] * len(batch.rows), batch.rows.tolist(), strict=True))
    return rows


def loaded(store: Store, table: str, path: Path, *names: str, **mapping: str) -> list[tuple[Any, ...]]:
    load_file(store, table, path, Options(mapping))
    return sorted((tuple(r.values()) for r in store.snapshot(table).read(names).to_pylist()), key=repr)


# ----- folders of Parquet files


def folder(root: Path, **files: str) -> Path:
    """A folder with one file of one row for each basket: basket=its folders."""
    for basket, where in files.items():
        (root / where).mkdir(parents=True, exist_ok=True)
        row = {"basket_id": [basket], "product_id": ["p"], "transaction_at": [dt.datetime(2024, 1, 2)]}
        pq.write_table(pa.table(row), root / where / f"{basket}.parquet")
    return root


@pytest.mark.parametrize("neighbour", ["store_id=012", "store_id=A1", "store_id=9", ""])
def test_a_folders_value_is_text_whatever_its_neighbours_are(store: Store, tmp_path: Path, neighbour: str) -> None:
    path = folder(tmp_path / "in", x="store_id=007", y=neighbour)
    other = (neighbour.removeprefix("store_id=") or None,)
    assert loaded(store, "transactions", path, "basket_id", "store_id") == [("x", "007"), ("y", *other)]


def test_folders_values_are_decoded_and_null(store: Store, tmp_path: Path) -> None:
    names = {"a": "a%2Fb%3D1", "b": "__HIVE_DEFAULT_PARTITION__", "c": "1e3", "d": "2024-01-02", "e": "%E4%B8%AD"}
    names |= {"f": "true", "g": "x=y", "h": "00"}
    path = folder(tmp_path / "in", **{k: f"store_id={v}/day=01" for k, v in names.items()})
    got = loaded(store, "transactions", path, "basket_id", "store_id")
    texts = ["a/b=1", None, "1e3", "2024-01-02", "中", "true", "x=y", "00"]
    assert got == list(zip("abcdefgh", texts, strict=True))


def test_only_folders_of_the_input_are_columns(tmp_path: Path) -> None:
    path = folder(tmp_path / "user_id=9" / "in", x="store_id=1")
    assert open_input(path).names == ("basket_id", "product_id", "transaction_at", "store_id")
    assert open_input(path / "store_id=1" / "x.parquet").names == ("basket_id", "product_id", "transaction_at")
    assert read(path, "store_id") == [("1", "in/store_id=1/x.parquet", 1)]


def test_a_folders_number_is_a_number_where_the_table_says_so(store: Store, tmp_path: Path) -> None:
    path = folder(tmp_path / "in", x="quantity=007", y="quantity=-2")
    assert loaded(store, "transactions", path, "basket_id", "quantity") == [("x", 7), ("y", -2)]


def test_files_of_different_columns(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    pq.write_table(pa.table({"a.b": [1], "c": ["x"]}), tmp_path / "in" / "1.parquet")
    pq.write_table(pa.table({"c": pa.array(["y"]).dictionary_encode(), "d": [2]}), tmp_path / "in" / "2.parquet")
    assert open_input(tmp_path / "in").names == ("a.b", "c", "d")
    rows = read(tmp_path / "in")
    assert rows == [(1, "x", None, "in/1.parquet", 1), (None, "y", 2, "in/2.parquet", 1)]


@pytest.mark.parametrize("year", [1, 1900, 2024, 2500, 9999])
def test_old_moments_of_spark_do_not_overflow(tmp_path: Path, year: int) -> None:
    """INT96, in which Spark wrote moments for years, holds more than Arrow's nanoseconds do."""
    moment = dt.datetime(year, 12, 31, 1, 2, 3, 456789)
    data = pa.table({"at": pa.array([moment], pa.timestamp("us"))})
    pq.write_table(data, tmp_path / "f.parquet", use_deprecated_int96_timestamps=True)
    assert read(tmp_path / "f.parquet", "at")[0][0] == moment


# ----- Delta tables: column mapping

MAPPED = [
    column("Review ID", "string", "col-1", 1),
    column("Review Text", "string", "col-2", 2),
    column("rating", "integer", "Review ID", 3),  # a physical name that is another column's logical one
    column("created at", "date", "col-4", 4),
    column("language", "string", "col-5", 5),
]


def mapped(root: Path, mode: str) -> Path:
    table = DeltaTableByHand(
        root, MAPPED, ["columnMapping"], {"delta.columnMapping.mode": mode}, ["created at", "language"]
    )
    names = ["col-1", "col-2", "Review ID"] if mode == "name" else ["some", "other", "col-1"]
    for part, (day, language) in enumerate([("2024-01-02", "en"), (None, "zh")]):
        fields = zip(names, [pa.string(), pa.string(), pa.int32()], "123", strict=True)
        schema = pa.schema([pa.field(n, t, metadata={"PARQUET:field_id": i}) for n, t, i in fields])
        if part and mode == "name":  # written before the text was added, and with a column that was dropped
            schema = schema.remove(1).append(pa.field("Review Text", pa.int32(), metadata={"PARQUET:field_id": "9"}))
            data = pa.table([[f"k{part}"], [part + 1], [7]], schema=schema)
        else:
            data = pa.table([[f"k{part}"], [f"text {part}"], [part + 1]], schema=schema)
        table.add(f"part-{part}.parquet", data, values={"col-4": day, "col-5": language})
    return table.write()


@pytest.mark.parametrize("mode", ["name", "id"])
def test_mapped_columns_are_read_by_their_logical_names(store: Store, tmp_path: Path, mode: str) -> None:
    columns = ("review_id", "text", "rating", "created_at", "language")
    got = loaded(store, "reviews", mapped(tmp_path / "in", mode), *columns, text="Review Text")
    first = ("k0", "text 0", 1, dt.datetime(2024, 1, 2, tzinfo=dt.UTC), "en")
    assert got == [first, ("k1", None if mode == "name" else "text 1", 2, None, "zh")]


def test_a_mapping_of_an_unknown_mode_is_refused(tmp_path: Path) -> None:
    table = DeltaTableByHand(tmp_path / "in", MAPPED, [], {"delta.columnMapping.mode": "magic"})
    with pytest.raises(UserError, match="magic"):
        open_input(table.write())


def test_without_a_mode_physical_names_mean_nothing(tmp_path: Path) -> None:
    table = DeltaTableByHand(tmp_path / "in", [column("text", "string", "col-2", 2)])
    table.add("f.parquet", pa.table({"text": ["right"], "col-2": ["wrong"]}))
    assert read(table.write(), "text") == [("right", "in/f.parquet", 1)]


# ----- Delta tables: deletion vectors


def test_deleted_rows_are_left_out(store: Store, tmp_path: Path) -> None:
    root = tmp_path / "in [v1] {x}"
    table = DeltaTableByHand(root, [column("text", "string"), column("rating", "integer")], ["deletionVectors"])
    vectors = {
        "whole.parquet": (None, [0, 1, 2, 3, 4]),
        "in%20log.parquet": (vector_in_log([1, 3]), [0, 2, 4]),
        "in%20file.parquet": (vector_in_file(root, [0, 4]), [1, 2, 3]),
        "day=1/by-path.parquet": (vector_in_file(root, [2], absolute=True), [0, 1, 3, 4]),
        "none%2525.parquet": (vector_in_log(range(5)), []),
    }
    for path, (vector, _) in vectors.items():
        rows = pa.table({"text": [f"{path} {i}" for i in range(5)], "rating": pa.array([1, 2, 3, 4, 9], pa.int32())})
        table.add(path, rows, vector)
    expected = sorted(f"{path} {i}" for path, (_, kept) in vectors.items() for i in kept)
    rows = read(table.write(), "text")
    assert sorted(r[0] for r in rows) == expected
    assert [r[2] for r in rows if "file" in r[0]] == [2, 3, 4], "a row's number is its place in the file"
    assert {r[1] for r in rows if "file" in r[0]} == {"in [v1] {x}/in file.parquet"}
    report = load_file(store, "reviews", root)
    assert (report.rows_read, report.values_emptied) == (15, 3)
    refused = store.snapshot("reviews_load_rejects").read().to_pylist()
    assert {r["source_row"] for r in refused} == {5}


def test_deleted_rows_beyond_one_batch(tmp_path: Path) -> None:
    count, gone = 150_000, [0, 1, 65_535]
    table = DeltaTableByHand(tmp_path / "in", [column("text", "string"), column("n", "long")], ["deletionVectors"])
    rows = pa.table({"text": [str(i) for i in range(count)], "n": range(count)})
    table.add("f.parquet", rows, vector_in_file(table.root, gone))
    got = read(table.write(), "n")
    assert [r[0] for r in got] == [n for n in range(count) if n not in gone]
    assert all(r[2] == r[0] + 1 for r in got)


def test_deleted_rows_of_a_mapped_table(tmp_path: Path) -> None:
    configuration = {"delta.columnMapping.mode": "name"}
    columns, features = [column("Text of it", "string", "c", 1)], ["columnMapping", "deletionVectors"]
    table = DeltaTableByHand(tmp_path / "in", columns, features, configuration)
    table.add("f.parquet", pa.table({"c": ["a", "b", "c"]}), vector_in_log([1]))
    assert [r[::2] for r in read(table.write(), "Text of it")] == [("a", 1), ("c", 3)]


# ----- Delta tables: types, partitions, features


def test_a_widened_column_has_the_type_of_the_schema(tmp_path: Path) -> None:
    kinds = {"i": "long", "f": "double", "d": "decimal(12,2)", "e": "decimal(12,2)", "t": "timestamp_ntz"}
    table = DeltaTableByHand(
        tmp_path / "in", [column(n, k) for n, k in kinds.items()], ["typeWidening", "timestampNtz"]
    )
    old = {
        "i": pa.array([-5], pa.int16()),
        "f": pa.array([0.5], pa.float32()),
        "d": pa.array([Decimal("1.5")], pa.decimal128(4, 1)),
        "e": pa.array([2_000_000_000], pa.int32()),
        "t": pa.array([dt.date(2024, 1, 2)], pa.date32()),
    }
    new = {
        "i": [2**40],
        "f": [1e300],
        "d": pa.array([Decimal("9999999999.99")], pa.decimal128(12, 2)),
        "e": pa.array([Decimal("1.10")], pa.decimal128(12, 2)),
        "t": pa.array([dt.datetime(2024, 1, 2, 3)], pa.timestamp("us")),
    }
    table.add("1.parquet", pa.table(old))
    table.add("2.parquet", pa.table(new))
    rows = read(table.write())
    assert rows[0][:5] == (-5, 0.5, Decimal("1.50"), Decimal("2000000000.00"), dt.datetime(2024, 1, 2))
    assert rows[1][:5] == (2**40, 1e300, Decimal("9999999999.99"), Decimal("1.10"), dt.datetime(2024, 1, 2, 3))


def test_a_file_of_another_type_is_refused_by_name(tmp_path: Path) -> None:
    table = DeltaTableByHand(tmp_path / "in", [column("rating", "integer")])
    table.add("f.parquet", pa.table({"rating": ["five"]}))
    with pytest.raises(UserError, match=r"in/f.parquet: column 'rating' is not int32") as error:
        read(table.write())
    assert "\n" not in str(error.value)


def test_partition_values_have_the_type_of_the_schema(store: Store, tmp_path: Path) -> None:
    kinds = {"store_id": "string", "quantity": "long", "sales_value": "decimal(12,2)", "transaction_at": "timestamp"}
    columns = [column(n, k) for n, k in {"basket_id": "string", "product_id": "string", **kinds}.items()]
    table = DeltaTableByHand(tmp_path / "in", columns, partition_by=list(kinds))
    values = [
        {"store_id": "007", "quantity": "3", "sales_value": "1.50", "transaction_at": "2024-01-02 03:04:05"},
        {"store_id": "a/b %", "quantity": "-1", "sales_value": "0.00", "transaction_at": "2024-01-02T03:04:05.000000Z"},
        dict.fromkeys(kinds),
    ]
    for number, own in enumerate(values):
        row = pa.table({"basket_id": [str(number)], "product_id": ["p"]})
        table.add(f"store_id=x%253D{number}/f.parquet", row, values=own)
    at = dt.datetime(2024, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
    assert loaded(store, "transactions", table.write(), "basket_id", *kinds) == [
        ("0", "007", 3, Decimal("1.50"), at),
        ("1", "a/b %", -1, Decimal("0.00"), at),
        ("2", None, None, None, None),
    ]


@pytest.mark.parametrize("feature", ["v2Checkpoint", "vacuumProtocolCheck", "variantType", "timestampNtz"])
def test_features_that_change_nothing_for_a_reader(tmp_path: Path, feature: str) -> None:
    table = DeltaTableByHand(tmp_path / "in", [column("text", "string")], [feature])
    table.add("f.parquet", pa.table({"text": ["a"]}))
    assert read(table.write()) == [("a", "in/f.parquet", 1)]


@pytest.mark.parametrize("feature", ["somethingNew", "catalogManaged", "collations-preview"])
def test_a_feature_that_cannot_be_read_is_one_line(tmp_path: Path, feature: str) -> None:
    table = DeltaTableByHand(tmp_path / "in", [column("text", "string")], [feature])
    with pytest.raises(UserError, match=r"(?i)in: .*(somethingNew|catalog|collations-preview)") as error:
        open_input(table.write())
    assert "\n" not in str(error.value)


def test_a_shallow_clone_is_read_where_its_files_are(tmp_path: Path) -> None:
    source = DeltaTableByHand(tmp_path / "the source", [column("text", "string")])
    source.add("f%20g.parquet", pa.table({"text": ["a"]}))
    clone = DeltaTableByHand(tmp_path / "in", source.columns)
    clone.adds = [{**source.adds[0], "path": (tmp_path / "the source" / "f g.parquet").as_uri()}]
    assert read(clone.write()) == [("a", "in/f g.parquet", 1)]


def test_a_table_in_a_folder_with_a_percent_code_is_not_taken_for_parquet_files(tmp_path: Path) -> None:
    """All files of the folder would be read then, also those that the table no longer shows."""
    for rows in (["old"], ["new"]):
        write_deltalake(str(tmp_path / "plain"), pa.table({"text": rows}), mode="overwrite")
    assert [r[0] for r in read(tmp_path / "plain", "text")] == ["new"]
    (tmp_path / "plain").rename(tmp_path / "per%20cent")
    with pytest.raises(UserError, match="percent code"):
        open_input(tmp_path / "per%20cent")
