"""A warehouse of an older version gains the columns that were declared since: null in old rows, added by a commit."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable, write_deltalake

from shopbatch.core.errors import UserError
from shopbatch.load import load_file
from shopbatch.tables import TABLES
from shopbatch.tables.schema import FREE_TEXT, TIMESTAMP, Column, Table
from shopbatch.warehouse import browse, files, spark_bridge
from shopbatch.warehouse.files import DataFile
from shopbatch.warehouse.store import Snapshot, Store

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ID, N = Column("id", pa.string(), "The key.", nullable=False), Column("n", pa.int64(), "A number.")
OLD = Table("toy", "A table for tests.", ("id",), (ID, N))
# in the middle and at the end; a list; people's own words
ADDED = (
    Column("note", pa.string(), "What somebody said.", free_text=True),
    Column("tags", pa.list_(pa.string()), "Some tags."),
    Column("seen_at", TIMESTAMP, "When it was seen."),
)
PROPERTIES = {"delta.dataSkippingStatsColumns": "id,n"}  # what is set stays: no statistics of people's own words
NEW = replace(OLD, columns=(ID, *ADDED, N))


def old_rows(*ids: str) -> pa.Table:
    return pa.table({"id": list(ids), "n": [len(i) for i in ids]}, schema=bare(OLD))


def new_rows(*ids: str) -> pa.Table:
    data = {"id": list(ids), "note": [f"note {i}" for i in ids], "tags": [[i] for i in ids], "n": [7] * len(ids)}
    return pa.table({**data, "seen_at": pa.nulls(len(ids), TIMESTAMP)}, schema=bare(NEW))


def bare(table: Table) -> pa.Schema:
    return pa.schema([(c.name, c.type) for c in table.columns])


def put(store: Store, table: Table, data: pa.Table, run: str, mode: Any = "append", **metadata: Any) -> int:
    return store.commit(table, [store.write_file(table, data, run, 0)], mode, run, metadata)


@pytest.fixture
def old(store: Store) -> Store:
    put(store, OLD, old_rows("a", "bb"), "r1", recipe="abc", loads=["1"])
    return store


@pytest.mark.parametrize("mode", ["append", "replace", "rewrite"])
def test_a_commit_adds_the_columns_first(old: Store, mode: Any) -> None:
    DeltaTable(old.uri("toy")).alter.set_table_properties(PROPERTIES)
    before = old.snapshot("toy")
    file = old.write_file(NEW, new_rows("ccc"), "r2", 0)
    removed = [before.files[0].path] if mode == "rewrite" else []
    version = old.commit(NEW, [file], mode, "r2", {"loads": ["2"]}, removed)
    assert version == before.version + 2
    expected = [{"id": "ccc", "note": "note ccc", "tags": ["ccc"], "seen_at": None, "n": 7}]
    if mode == "append":
        nothing = dict.fromkeys(("note", "tags", "seen_at"))
        expected = [{"id": "a", **nothing, "n": 1}, {"id": "bb", **nothing, "n": 2}, *expected]
    newest = old.require(NEW, NEW.names)
    assert newest.schema.names == list(NEW.names)
    assert DeltaTable(newest.uri).metadata().configuration == PROPERTIES
    assert newest.read().to_pylist() == expected
    assert newest.read(["note"], where=pc.field("note").is_null()).num_rows == len(expected) - 1
    for other in (pl.read_delta(newest.uri).to_dicts(), DeltaTable(newest.uri).to_pyarrow_table().to_pylist()):
        assert sorted(({k: row[k] for k in NEW.names} for row in other), key=str) == sorted(expected, key=str)
    fields = {f["name"]: f for f in json.loads(DeltaTable(newest.uri).schema().to_json())["fields"]}
    assert {n: f["metadata"]["comment"] for n, f in fields.items()} == {c.name: c.meaning for c in NEW.columns}
    assert [n for n, f in fields.items() if f["metadata"].get(FREE_TEXT)] == ["note"]
    assert [f.rows for f in before.files] == [2] and before.read()["id"].to_pylist() == ["a", "bb"]  # a snapshot stays
    assert newest.metadata["loads"] == (["1", "2"] if mode == "append" else ["2"])


def test_what_the_last_commit_said_is_read_between_the_two_commits(old: Store, monkeypatch: Any) -> None:
    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("shopbatch.warehouse.delta.write_commit", killed)
        with pytest.raises(KeyboardInterrupt):
            put(old, NEW, new_rows("c"), "r2")
    for _ in range(25):
        DeltaTable(old.uri("toy")).alter.set_table_properties({"delta.logRetentionDuration": "interval 40 days"})
    between = old.snapshot("toy")
    assert (between.metadata["run_key"], between.metadata["recipe"], between.rows) == ("r1", "abc", 2)
    assert old.require(NEW, ["note"]).read(["id", "note"])["note"].to_pylist() == [None, None]
    put(old, NEW, new_rows("c"), "r3")
    assert old.snapshot("toy").rows == 3


def test_before_any_commit_the_columns_are_null(old: Store) -> None:
    source = old.require(NEW, NEW.names)
    assert source.read(["tags", "id"]).to_pylist() == [{"tags": None, "id": "a"}, {"tags": None, "id": "bb"}]
    assert source.read(["id"], where=pc.field("note").is_null(), limit=1).to_pylist() == [{"id": "a"}]
    assert source.bounds("note") == {}
    frame = files.scan([f.uri for f in source.files], source.schema).select("id", "note", "seen_at").collect()
    assert frame.rows() == [("a", None, None), ("bb", None, None)]
    put(old, NEW, new_rows("a"), "r2")
    uris = [f.uri for f in old.require(NEW, NEW.names).files]
    for order in (uris, uris[::-1]):  # the columns of the frame are not those of whichever file comes first
        assert files.duplicate_keys(order, ["id"]) == 1
        notes = files.scan(order, NEW.schema()).select("note").collect()["note"].to_list()
        assert sorted(notes, key=str) == [None, None, "note a"]


def test_nothing_to_commit_adds_nothing(old: Store) -> None:
    before = old.snapshot("toy").version

    def guard(newest: Snapshot) -> None:
        assert newest.rows == 2
        raise LookupError

    assert old.commit(NEW, [], "append", "k") == before
    with pytest.raises(LookupError):
        old.commit(NEW, [old.write_file(NEW, new_rows("c"), "r2", 0)], "append", "k", guard=guard)
    assert old.snapshot("toy").version == before


def test_the_same_empty_replace_is_not_taken_for_one_that_was_made(old: Store) -> None:
    """The commit that adds columns is no failed attempt: the run key of an older commit says nothing about this one."""
    put(old, OLD, old_rows("c"), "again", "replace")
    old.commit(NEW, [], "replace", "again")
    assert old.snapshot("toy").rows == 0


def test_writers_of_both_versions_at_once_all_end_well(old: Store) -> None:
    """An older process goes on: it knows fewer columns, and is refused by name once the table has more."""
    written = [old.write_file(NEW, new_rows(f"id{i}"), f"w{i}", 0) for i in range(6)]
    start = threading.Barrier(6)

    def write(file: DataFile) -> None:
        start.wait()
        old.commit(NEW, [file], "append", file.path)

    threads = [threading.Thread(target=write, args=(f,)) for f in written]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(old.snapshot("toy").read(["id"])["id"].to_pylist()) == sorted(
        ["a", "bb", *(f"id{i}" for i in range(6))]
    )
    with pytest.raises(UserError, match="this version of shopbatch writes id, n: move the old table away"):
        put(old, OLD, old_rows("x"), "late")


@pytest.mark.parametrize(
    "data",
    [
        pa.table({"id": ["a"], "n": [1], "other": [1]}),
        pa.table({"id": ["a"], "n": ["1"]}),
        pa.table({"n": [1]}),
        pa.table({"id": ["a"], "note": [1]}),
    ],
    ids=["unknown", "type", "key", "type of an added column"],
)
def test_what_is_no_older_form_is_refused_as_before(store: Store, data: pa.Table) -> None:
    write_deltalake(store.uri("toy"), data)
    with pytest.raises(UserError, match="move the old table away"):
        put(store, NEW, new_rows("c"), "r")
    with pytest.raises(UserError, match="has no column 'tags'"):
        store.require(NEW, ["tags"])
    assert DeltaTable(store.uri("toy")).version() == 0


@pytest.mark.parametrize("needed", [{"must_have": ("note",)}, {"partition_by": ("note",)}])
def test_a_column_that_every_row_must_have_is_not_added(old: Store, needed: Any) -> None:
    with pytest.raises(UserError, match="has no column 'note'"):
        old.require(replace(NEW, **needed), ["note"])
    with pytest.raises(UserError, match="move the old table away"):
        old.commit(replace(NEW, **needed), [], "replace", "r")
    strict = replace(NEW, columns=(*NEW.columns, Column("must", pa.int64(), "No null.", nullable=False)))
    with pytest.raises(UserError, match="move the old table away"):
        old.commit(strict, [], "replace", "r")


def test_a_declared_source_table_is_read_and_loaded(store: Store, tmp_path: Path) -> None:
    """The catalogue says which columns are missing wherever a table is opened by its name."""
    reviews = TABLES["reviews"]
    small = replace(reviews, columns=tuple(c for c in reviews.columns if c.name not in ("title", "language")))
    first = tmp_path / "a.csv"
    first.write_text("review_id,text\n1,good\n")
    data = pa.table({c.name: ["1" if c.name == "review_id" else "x"] for c in small.columns if c.type == pa.string()})
    rest = {c.name: pa.nulls(1, c.type) for c in small.columns if c.type != pa.string()}
    row = pa.table({n: data[n] if n in data.column_names else rest[n] for n in small.names}, schema=bare(small))
    put(store, small, row, "r1")
    shown = browse.show(store, "reviews", 5, ["title="]).to_pylist()
    assert [r["language"] for r in shown] == [None] and list(shown[0]) == list(reviews.names)
    first.write_text("review_id,text,title\n2,good,Headline\n")
    load_file(store, "reviews", first)
    assert store.snapshot("reviews").read(["review_id", "title"]).to_pylist() == [
        {"review_id": "1", "title": None},
        {"review_id": "2", "title": "Headline"},
    ]


@pytest.mark.usefixtures("ray_local")
def test_ray_reads_null(old: Store) -> None:
    put(old, NEW, new_rows("c"), "r2")
    read = old.require(NEW, NEW.names).dataset(["id", "tags"]).take_all()
    assert sorted((r["id"], None if r["tags"] is None else list(r["tags"])) for r in read) == [
        ("a", None),
        ("bb", None),
        ("c", ["c"]),
    ]


def test_spark_reads_null(old: Store, spark: SparkSession) -> None:
    def read() -> list[tuple[Any, ...]]:
        frame = spark_bridge.read(spark, old.require(NEW, NEW.names), ["id", "note", "tags", "n"])
        return sorted(tuple(row) for row in frame.collect())

    assert read() == [("a", None, None, 1), ("bb", None, None, 2)]
    put(old, NEW, new_rows("c"), "r2")
    assert read() == [("a", None, None, 1), ("bb", None, None, 2), ("c", "note c", ["c"], 7)]
