"""The commits of a table, newest first, with the rows that each one left."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from shopbatch.warehouse.checksums import DamagedFile
from shopbatch.warehouse.history import commits
from shopbatch.warehouse.store import Store
from tests.warehouse.test_publish import TOY, write


def commit(store: Store, run: str, mode: str, *ids: str, removed: tuple[str, ...] = ()) -> None:
    store.commit(TOY, write(store, TOY, run, *ids) if ids else [], mode, run, {"note": run}, removed)  # type: ignore[arg-type]


def seen(store: Store, limit: int = 100) -> list[tuple[int, int | None, str]]:
    return [(c.version, c.rows, c.metadata.get("note", "")) for c in commits(store.snapshot("toy"), limit)]


def test_rows_are_counted_backwards_over_added_and_removed_files(store: Store) -> None:
    commit(store, "run1", "append", "a", "b")
    commit(store, "run2", "append", "c")
    first = store.snapshot("toy").files[0].path
    commit(store, "run3", "rewrite", "a", removed=(first,))
    commit(store, "run4", "replace", "x", "y", "z", "w")
    whole = [(4, 4, "run4"), (3, 2, "run3"), (2, 3, "run2"), (1, 2, "run1"), (0, 0, "")]
    assert seen(store) == whole and seen(store, limit=1) == whole[:1]
    newest = commits(store.snapshot("toy"), 1)[0]
    assert newest.size == sum(file.size for file in store.snapshot("toy").files)
    assert newest.at is not None and newest.at.tzinfo is not None


def test_what_the_log_no_longer_holds_is_unknown_and_not_wrong(store: Store) -> None:
    commit(store, "run1", "append", "a", "b")
    commit(store, "run2", "replace", "c")
    commit(store, "run3", "append", "d")
    DeltaTable(store.uri("toy")).create_checkpoint()
    for version in (0, 1):
        (Path(store.uri("toy")) / "_delta_log" / f"{version:020}.json").unlink()
    assert seen(store) == [(3, 2, "run3"), (2, 1, "run2")]
    entry = Path(store.uri("toy")) / "_delta_log" / f"{3:020}.json"
    entry.write_text("")
    with pytest.raises(DamagedFile, match=r"do not match"):
        seen(store)
    entry.with_name(f".{entry.name}.crc").unlink()
    assert [rows for _, rows, _ in seen(store)][:1] == [2]


def test_rows_before_a_removed_file_that_is_unknown_are_unknown(store: Store) -> None:
    commit(store, "run1", "append", "a", "b")
    commit(store, "run2", "append", "c")
    commit(store, "run3", "replace", "d")
    assert [rows for _, rows, _ in seen(store, limit=1)] == [1]
    assert seen(store, limit=2) == [(3, 1, "run3"), (2, None, "run2")]


def test_commits_of_another_client_are_listed_with_its_name(store: Store) -> None:
    write_deltalake(store.uri("toy"), pa.table({"id": ["a"]}))
    write_deltalake(store.uri("toy"), pa.table({"id": ["b"]}), mode="append")
    newest, oldest = commits(store.snapshot("toy"), 10)
    assert (newest.rows, oldest.rows, newest.metadata) == (2, 1, {}) and newest.client.startswith("delta-rs")
