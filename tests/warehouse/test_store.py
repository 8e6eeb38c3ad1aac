"""The store: what is committed is whole, checked and seen at once; what is not right is refused before it is seen."""

from __future__ import annotations

import errno
import json
import struct
import threading
import time
from pathlib import Path
from typing import Any, Literal

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError

from shopbatch.core.errors import Stopped, UserError
from shopbatch.tables.schema import Column, Table
from shopbatch.warehouse import delta, files
from shopbatch.warehouse.files import DataFile
from shopbatch.warehouse.store import Snapshot, Store

TOY = Table(
    name="toy",
    meaning="A table for tests.",
    key=("id",),
    columns=(
        Column("id", pa.string(), "The key of the row.", nullable=False),
        Column("n", pa.int64(), "A number of things."),
        Column("text", pa.string(), "Some text or other."),
    ),
)
FOLDERS = Table("folders", "A table in folders.", ("id",), TOY.columns, partition_by=("text",))


def rows(*ids: str, **other: Any) -> pa.Table:
    data = {"id": list(ids), "n": [len(i) for i in ids], "text": [f"text {i}" for i in ids]} | other
    return pa.table(data, schema=pa.schema([(c.name, c.type) for c in TOY.columns]))


def ids(store: Store, name: str = "toy") -> list[str]:
    return sorted(store.snapshot(name).read(["id"])["id"].to_pylist())


def test_append_and_replace(store: Store) -> None:
    first = store.write_file(TOY, rows("a", "b"), "run1", 0)
    assert not store.exists("toy")  # written is not visible
    one = store.commit(TOY, [first], "append", "k1", {"why": "because"})
    old = store.snapshot("toy")
    assert (old.metadata["run_key"], old.metadata["why"]) == ("k1", "because")
    assert store.commit(TOY, [first], "append", "k1") == one, "files that are visible already are not added again"
    two = store.commit(TOY, [store.write_file(TOY, rows("c"), "run2", 0)], "append", "k2")
    assert (two, ids(store)) == (one + 1, ["a", "b", "c"])
    store.commit(TOY, [store.write_file(TOY, rows("d"), "run3", 0)], "replace", "k3")
    assert ids(store) == ["d"]
    assert sorted(old.read()["id"].to_pylist()) == ["a", "b"], "a snapshot stays what it was"
    assert sorted(store.snapshot("toy", two).read()["id"].to_pylist()) == ["a", "b", "c"]
    store.commit(TOY, [], "replace", "k4")
    assert ids(store) == []


def test_meanings_are_in_the_delta_schema(store: Store) -> None:
    store.commit(TOY, [store.write_file(TOY, rows("a"), "run1", 0)], "append", "k")
    fields = json.loads(DeltaTable(store.uri("toy")).schema().to_json())["fields"]
    assert {f["name"]: f["metadata"]["comment"] for f in fields} == {c.name: c.meaning for c in TOY.columns}
    assert DeltaTable(store.uri("toy")).metadata().description == TOY.meaning


def test_statistics_let_readers_skip_files(store: Store) -> None:
    parts = [rows("a", "bb"), rows("ccc", n=[None]), rows("dddd", text=["x" * 100])]
    store.commit(TOY, [store.write_file(TOY, t, "run1", i) for i, t in enumerate(parts)], "append", "k")
    adds = pa.table(DeltaTable(store.uri("toy")).get_add_actions(flatten=True)).sort_by("path").to_pylist()
    assert [(a["num_records"], a["min.n"], a["max.n"], a["null_count.n"]) for a in adds] == [
        (2, 1, 2, 0),
        (1, None, None, 1),
        (1, 4, 4, 0),
    ]
    assert [a["max.text"] for a in adds] == ["text bb", "text ccc", "x" * 64 + "\U0010ffff"]


def test_read_selects_filters_and_limits(store: Store) -> None:
    tables = [rows("a", "bb"), rows("ccc", "dddd")]
    store.commit(TOY, [store.write_file(TOY, t, "run1", i) for i, t in enumerate(tables)], "append", "k")
    snapshot = store.snapshot("toy")
    assert snapshot.read(["n"]).to_pydict() == {"n": [1, 2, 3, 4]}
    assert snapshot.read(["id"], where=pc.field("n") > 2).to_pydict() == {"id": ["ccc", "dddd"]}
    assert snapshot.read(["id"], limit=3).num_rows == 3
    assert (snapshot.rows, len(snapshot.files)) == (4, 2)


@pytest.mark.usefixtures("ray_local")
def test_a_snapshot_is_a_ray_dataset(store: Store) -> None:
    tables = [rows("a", "bb"), rows("ccc", "dddd")]
    store.commit(TOY, [store.write_file(TOY, t, "run1", i) for i, t in enumerate(tables)], "append", "k")
    found = store.snapshot("toy").dataset(["id", "n"], where=pc.field("n") != 2).take_all()
    assert sorted((r["id"], r["n"]) for r in found) == [("a", 1), ("ccc", 3), ("dddd", 4)]


@pytest.mark.parametrize(
    "wrong",
    [
        rows("a").drop(["n"]),
        rows("a").append_column("more", pa.array([1])),
        rows("a").set_column(1, "n", pa.array(["1"])),
        rows("a").set_column(0, "id", pa.nulls(1, pa.string())),
    ],
    ids=["missing", "more", "type", "null"],
)
def test_what_does_not_fit_the_table_is_refused_when_written(store: Store, wrong: pa.Table) -> None:
    with pytest.raises(TypeError, match="toy"):
        store.write_file(TOY, wrong, "run1", 0)
    files.write(f"{store.uri('toy')}/run1/part.parquet", wrong)  # by another writer
    with pytest.raises(TypeError):
        files.describe(store.uri("toy"), "run1/part.parquet", TOY.file_schema())


def test_missing_and_cut_files_are_refused(store: Store) -> None:
    good = store.write_file(TOY, rows("a"), "run1", 0)
    store.commit(TOY, [good], "append", "k")
    with pytest.raises(FileNotFoundError):
        store.commit(TOY, [DataFile("run2/part.parquet", 10, 1, "{}")], "append", "k")
    cut = store.write_file(TOY, rows("b"), "run3", 0)
    path = Path(store.uri("toy")) / cut.path
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(FileNotFoundError, match="wrote"):
        store.commit(TOY, [good, cut], "replace", "k")
    assert ids(store) == ["a"]


def test_a_table_of_another_schema_is_not_touched(store: Store) -> None:
    write_deltalake(store.uri("toy"), pa.table({"id": ["a"], "other": [1]}))
    with pytest.raises(UserError, match="has columns id, other"):
        store.commit(TOY, [store.write_file(TOY, rows("a"), "run1", 0)], "replace", "k")
    assert store.snapshot("toy").version == 0


def test_writers_at_once_all_end_well(store: Store) -> None:
    written = [store.write_file(TOY, rows(f"id{i}"), f"run{i}", 0) for i in range(8)]
    start = threading.Barrier(8)

    def write(file: DataFile) -> None:
        start.wait()
        store.commit(TOY, [file], "append", "k")

    threads = [threading.Thread(target=write, args=(f,)) for f in written]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ids(store) == sorted(f"id{i}" for i in range(8))
    stamps = [f.committed_ms for f in store.snapshot("toy").files]
    assert len(set(stamps)) == len(stamps), "the order of the commits can be told"


def test_a_replace_on_a_stale_view_does_not_keep_the_appended_rows(store: Store) -> None:
    store.commit(TOY, [store.write_file(TOY, rows("old"), "run0", 0)], "append", "k")
    mine = store.write_file(TOY, rows("mine"), "run1", 0)
    seen: list[int] = []

    def guard(newest: Snapshot) -> None:
        seen.append(newest.version)
        if len(seen) == 1:  # somebody appends between this run's look and its commit
            store.commit(TOY, [store.write_file(TOY, rows("theirs"), "run2", 0)], "append", "k")

    store.commit(TOY, [mine], "replace", "k", guard=guard)
    assert len(seen) == 2, "the first try was refused, the second saw the new version"
    assert ids(store) == ["mine"]


@pytest.mark.parametrize("name", ["../toy", "a/b", "/toy", "Toy", "", "_runs", "a.b", "toy\n"])
def test_names_that_could_leave_the_warehouse(store: Store, name: str) -> None:
    with pytest.raises(UserError, match="may not leave the warehouse"):
        store.snapshot(name)


def test_what_is_not_there(store: Store) -> None:
    with pytest.raises(UserError, match="tables there: none"):
        store.snapshot("toy")
    store.commit(TOY, [store.write_file(TOY, rows("a"), "run1", 0)], "append", "k")
    with pytest.raises(UserError, match="no version 9"):
        store.snapshot("toy", 9)
    assert store.find("other") is None
    assert store.names() == ["toy"]


def test_folder_columns_are_read_alike_everywhere(store: Store) -> None:
    for run in ("run1", "run2"):
        for value in ("x1", "y2"):
            part = rows(f"{run}{value}").select(["id", "n"])
            path = f"text={value}/{run}/part.parquet"
            files.write(f"{store.uri('folders')}/{path}", pa.table(part.columns, schema=FOLDERS.file_schema()))
            file = files.describe(store.uri("folders"), path, FOLDERS.file_schema(), {"text": value})
            store.commit(FOLDERS, [file], "append", run)
    mine = store.snapshot("folders").read().sort_by("id").to_pylist()
    assert [r["text"] for r in mine] == ["x1", "y2", "x1", "y2"]
    assert pl.read_delta(store.uri("folders")).sort("id").select("id", "n", "text").to_dicts() == mine
    assert (
        DeltaTable(store.uri("folders")).to_pyarrow_table().select(["id", "n", "text"]).sort_by("id").to_pylist()
        == mine
    )


def test_an_append_of_nothing_new_and_a_guard_that_raises_leave_no_version(store: Store) -> None:
    first = store.write_file(TOY, rows("a"), "run1", 0)
    version = store.commit(TOY, [first], "append", "k")

    def guard(newest: Snapshot) -> None:
        raise LookupError(newest.metadata["run_key"])

    with pytest.raises(LookupError, match="k"):
        store.commit(TOY, [store.write_file(TOY, rows("b"), "run2", 0)], "replace", "l", guard=guard)
    assert store.commit(TOY, [], "append", "m") == store.commit(TOY, [first], "append", "m") == version
    assert store.commit(TOY, [], "append", "m", removed=["run9/part-00000.parquet"]) == version
    assert DeltaTable(store.uri("toy")).version() == version and ids(store) == ["a"]


def test_an_append_may_take_files_out_in_the_same_commit(store: Store) -> None:
    small = [store.write_file(TOY, rows(i), "run1", n) for n, i in enumerate("abc")]
    version = store.commit(TOY, small, "append", "k")
    merged = store.write_file(TOY, rows("a", "b"), "run2", 0)
    assert store.commit(TOY, [merged], "compact", "c", removed=[f.path for f in small[:2]]) == version + 1
    assert ids(store) == ["a", "b", "c"]
    assert [f.path for f in store.snapshot("toy").files] == [small[2].path, merged.path]


def test_files_come_in_the_order_of_their_commits(store: Store) -> None:
    for run in ("zz", "mm", "aa"):
        store.commit(TOY, [store.write_file(TOY, rows(f"{run}{i}"), run, i) for i in range(2)], "append", run)
    assert store.snapshot("toy").read(["id"])["id"].to_pylist() == ["zz0", "zz1", "mm0", "mm1", "aa0", "aa1"]
    assert store.snapshot("toy").read(["id"], limit=1)["id"].to_pylist() == ["zz0"]


def test_replaces_at_once_leave_the_rows_of_exactly_one(store: Store) -> None:
    written = [store.write_file(TOY, rows(f"id{i}", f"also{i}"), f"run{i}", 0) for i in range(6)]
    start, versions = threading.Barrier(6), list[int]()

    def write(number: int) -> None:
        start.wait()
        versions.append(store.commit(TOY, [written[number]], "replace", f"k{number}"))

    threads = [threading.Thread(target=write, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    newest = store.snapshot("toy")
    assert len(set(versions)) == 6 and newest.version == max(versions)  # each saw the one before, none was lost
    winner = newest.metadata["run_key"].removeprefix("k")
    assert ids(store) == [f"also{winner}", f"id{winner}"]


def test_a_commit_of_another_client_is_seen_and_survives(store: Store) -> None:
    store.commit(TOY, [store.write_file(TOY, rows("a"), "run1", 0)], "append", "mine", {"note": 1})
    write_deltalake(store.uri("toy"), rows("theirs"), mode="append")
    DeltaTable(store.uri("toy")).create_checkpoint()
    snapshot = store.snapshot("toy")
    assert (snapshot.metadata["run_key"], snapshot.metadata["note"], snapshot.rows) == ("mine", 1, 2)
    assert store.commit(TOY, [store.write_file(TOY, rows("b"), "run2", 0)], "append", "k") == snapshot.version + 1
    assert ids(store) == ["a", "b", "theirs"]


def test_what_a_commit_said_outlives_those_of_other_clients(store: Store) -> None:
    store.commit(TOY, [store.write_file(TOY, rows("a"), "r", 0)], "append", "r", {"recipe": "abc"})
    for i in range(25):
        DeltaTable(store.uri("toy")).alter.set_table_properties(
            {"delta.logRetentionDuration": f"interval {i + 30} days"}
        )
    assert store.snapshot("toy").metadata == {"recipe": "abc", "run_key": "r"}


def test_mapped_columns_are_refused_not_read_as_null(store: Store) -> None:
    store.commit(TOY, [store.write_file(TOY, rows("a"), "r", 0)], "append", "r")
    log = Path(store.uri("toy"), "_delta_log", "00000000000000000000.json")
    actions = [json.loads(line) for line in log.read_text().splitlines()]
    for action in actions:
        if "metaData" in action:
            action["metaData"]["configuration"]["delta.columnMapping.mode"] = "name"
    log.write_text("\n".join(json.dumps(a) for a in actions))
    log.with_name(f".{log.name}.crc").unlink()  # as another client leaves the log
    with pytest.raises(UserError, match="mapped columns"):
        store.snapshot("toy")


@pytest.mark.parametrize("mode", ["append", "replace"])
def test_a_commit_that_landed_and_was_said_to_have_failed_is_not_taken_back(
    store: Store, monkeypatch: pytest.MonkeyPatch, mode: Literal["append", "replace"]
) -> None:
    """An object store's answer is lost: the guard of the next attempt would take the commit for another run's."""
    store.commit(TOY, [store.write_file(TOY, rows("a"), "r0", 0)], "append", "r0")
    write = delta.write_commit

    def lost(*arguments: Any) -> None:
        write(*arguments)
        monkeypatch.setattr(delta, "write_commit", write)
        raise CommitFailedError("the version exists")

    def guard(snapshot: Snapshot) -> None:
        assert snapshot.metadata["run_key"] == "r0"

    monkeypatch.setattr(delta, "write_commit", lost)
    version = store.commit(TOY, [store.write_file(TOY, rows("b"), "r1", 0)], mode, "r1", guard=guard)
    assert version == store.snapshot("toy").version == 2
    assert ids(store) == (["b"] if mode == "replace" else ["a", "b"])


def test_folders_of_another_client(store: Store) -> None:
    values = ["plain", "with space", "a/b=c%20d", "é中", None]
    write_deltalake(store.uri("folders"), rows(*"abcde", text=values), partition_by=["text"])
    got = store.snapshot("folders").read(["id", "text"]).sort_by("id")
    assert got["text"].to_pylist() == values


def test_rows_are_counted_where_the_log_does_not_say(store: Store) -> None:
    write_deltalake(store.uri("toy"), rows("a", "b", "c"))
    log = Path(store.uri("toy"), "_delta_log", f"{0:020}.json")
    actions = [json.loads(line) for line in log.read_text().splitlines()]
    for action in actions:
        action.get("add", {}).pop("stats", None)
    log.write_text("\n".join(json.dumps(a) for a in actions))
    assert store.snapshot("toy").rows == 3 and ids(store) == ["a", "b", "c"]


def test_rows_that_are_deleted_by_a_vector_are_refused_not_read(store: Store) -> None:
    write_deltalake(store.uri("toy"), rows("a", "b", "c"))
    log = Path(store.uri("toy"), "_delta_log")
    add = next(a["add"] for a in map(json.loads, (log / f"{0:020}.json").read_text().splitlines()) if "add" in a)
    # the second row is deleted: a 64-bit roaring bitmap, inline (Delta protocol, Deletion Vector Format)
    bitmap = struct.pack("<IQIIIHHIHxx", 1681511377, 1, 0, 12346, 1, 0, 0, 16, 1)
    vector = {"storageType": "i", "pathOrInlineDv": z85(bitmap), "sizeInBytes": len(bitmap), "cardinality": 1}
    feature = ["deletionVectors"]
    protocol = {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": feature, "writerFeatures": feature}
    now = int(time.time() * 1000)
    remove = {"path": add["path"], "deletionTimestamp": now, "dataChange": True}
    actions = [{"protocol": protocol}, {"remove": remove}, {"add": {**add, "deletionVector": vector}}]
    (log / f"{1:020}.json").write_text("\n".join(json.dumps(a) for a in actions))
    assert pl.read_delta(store.uri("toy"))["id"].to_list() == ["a", "c"]  # it is a vector that readers know
    with pytest.raises(UserError, match="'toy' holds deletion vectors"):
        store.snapshot("toy")


def z85(data: bytes) -> str:
    letters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
    words = [int.from_bytes(data[i : i + 4], "big") for i in range(0, len(data), 4)]
    return "".join(letters[word // 85**k % 85] for word in words for k in (4, 3, 2, 1, 0))


def test_what_is_not_published_is_deleted_and_nothing_else(store: Store) -> None:
    kept = store.write_file(TOY, rows("a"), "run1", 0)
    store.commit(TOY, [kept], "append", "k")
    dropped = [store.write_file(TOY, rows("b"), run, 1) for run in ("run1", "run2")]
    store.discard(TOY, dropped)
    store.discard(TOY, dropped)
    left = sorted(str(p.relative_to(store.uri("toy"))) for p in Path(store.uri("toy")).glob("run*/*"))
    assert left == [kept.path] and not Path(store.uri("toy"), "run2").exists()
    assert ids(store) == ["a"]


def test_a_warehouse_that_cannot_be_written_is_the_users_mistake(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(UserError, match="cannot write there"):
        Store(str(tmp_path / "file")).check_writable()
    Store(str(tmp_path / "new" / "one")).check_writable()
    assert Store(str(tmp_path / "new" / "one")).names() == []


def test_a_warehouse_without_space_is_not_the_users_mistake(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "write_bytes", full)
    with pytest.raises(Stopped, match="no space left"):
        store.check_writable()


def test_a_source_must_have_its_columns_as_declared(store: Store) -> None:
    write_deltalake(store.uri("toy"), pa.table({"id": ["a"], "n": ["1"], "more": [True]}))
    assert store.require(TOY, ["id"]).rows == 1  # what the job does not read is not its business
    with pytest.raises(UserError, match=r"no column 'text' \(it has: id, n, more"):
        store.require(TOY, ["id", "text"])
    with pytest.raises(UserError, match="column 'n' is string, expected int64"):
        store.require(TOY, ["n"])
