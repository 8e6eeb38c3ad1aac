"""A candidate becomes visible in one commit, or it is deleted; a result that is ahead of it stays."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from shopbatch.core.errors import GateRefused
from shopbatch.tables.schema import Column, Table
from shopbatch.warehouse import delta
from shopbatch.warehouse.files import DataFile
from shopbatch.warehouse.gates import Gate, refuse_if_failed
from shopbatch.warehouse.publish import Publication, Published, Superseded, unless_changed
from shopbatch.warehouse.store import Snapshot, Store

TOY = Table("toy", "A table for tests.", ("id",), (Column("id", pa.string(), "The key of the row."),))
OTHER = Table("other", "A second table for tests.", ("id",), TOY.columns)


def write(store: Store, table: Table, run: str, *ids: str) -> list[DataFile]:
    return [store.write_file(table, pa.table({"id": list(ids)}, table.file_schema()), run, 0)]


def ids(store: Store, table: Table = TOY) -> list[str]:
    return sorted(store.snapshot(table.name).read()["id"].to_pylist())


def on_disk(store: Store) -> set[str]:
    return {p.parent.name for p in Path(store.root).rglob("*.parquet")}


def show(store: Store, run: str, *values: str) -> None:
    with Publication(store, run) as publication:
        publication.add(TOY, write(store, TOY, run, *values))
        publication.commit(TOY, {"digest": "".join(values)})


def test_what_is_committed_is_visible_and_stays(store: Store) -> None:
    with Publication(store, "run1") as publication:
        publication.add(TOY, write(store, TOY, "run1", "a"))
        assert publication.commit(TOY, {"note": 1}) == Published(store.snapshot("toy").version, changed=True)
    assert ids(store) == ["a"] and store.snapshot("toy").metadata == {"note": 1, "run_key": "run1"}


def test_what_a_gate_refuses_is_deleted_and_named(store: Store) -> None:
    show(store, "run1", "a")
    gates = [Gate("rows", 3, 3, True), Gate("nulls", 2, 0, False, "column x"), Gate("drift", 0.4, 0.1, False)]
    message = r"^2024-03-20: gate 'nulls': column x; gate 'drift': 0\.4, limit 0\.1$"
    with pytest.raises(GateRefused, match=message), Publication(store, "run2") as publication:
        publication.add(TOY, write(store, TOY, "run2", "b"))
        publication.add(OTHER, write(store, OTHER, "run2", "b"))
        refuse_if_failed(gates, "2024-03-20")
    assert ids(store) == ["a"] and on_disk(store) == {"run1"} and store.names() == ["toy"]
    refuse_if_failed(gates[:1])


def made_of(store: Store, share: float | str, rows: int, /, **read: int) -> list[str]:
    """Publish rows that are made of these tables, and return the names of the gates that refuse."""
    live, run = store.find("toy"), f"run-{len(on_disk(store))}"
    with Publication(store, run) as publication:
        publication.add(TOY, write(store, TOY, run, *(str(n) for n in range(rows))) if rows else [])
        gates = publication.judge(TOY, share, read, live)  # type: ignore[arg-type]
        try:
            refuse_if_failed(gates)
        except GateRefused as error:
            assert "gates.rows=any" in str(error)
            return [gate.name for gate in gates if not gate.passed]
        publication.commit(TOY, {})
    return []


def test_neither_a_table_nor_what_it_is_made_of_shrinks_in_silence(store: Store) -> None:
    assert made_of(store, 0.5, 10, tickets=100, orders=100, labels=10) == []
    assert made_of(store, 0.5, 10, tickets=100, orders=49, labels=10) == ["rows of orders"]
    assert made_of(store, 0.5, 10, tickets=100, orders=0, labels=0) == ["rows of orders", "rows of labels"]
    assert made_of(store, 0.5, 10, tickets=40, orders=100, labels=1) == ["rows of tickets"]
    assert made_of(store, 0.5, 0, tickets=0, orders=100, labels=10) == ["shrinking", "rows of tickets"]
    assert made_of(store, 0.5, 10, tickets=60, orders=60, labels=1, offers=3) == []  # few rows may go; one may be new
    assert made_of(store, 0.5, 10, tickets=60, orders=31) == []  # what a configuration no longer reads says nothing
    assert made_of(store, "any", 1, tickets=1, orders=0) == []
    assert made_of(store, 0.5, 1, tickets=1, orders=0) == []


def test_the_same_result_makes_no_version(store: Store) -> None:
    show(store, "run1", "a")
    version = store.snapshot("toy").version
    with Publication(store, "run2") as publication:
        publication.add(TOY, write(store, TOY, "run2", "a"))
        done = publication.commit(TOY, {}, same=lambda newest: newest.metadata.get("digest") == "a")
    assert done == Published(version, changed=False) and on_disk(store) == {"run1"}


def test_what_another_run_published_meanwhile_stays(store: Store) -> None:
    show(store, "run1", "a")
    live = store.snapshot("toy")
    show(store, "faster", "b")
    with pytest.raises(Superseded, match=r"another run published toy"), Publication(store, "run2") as publication:
        publication.add(TOY, write(store, TOY, "run2", "c"))
        publication.add(OTHER, write(store, OTHER, "run2", "c"))
        publication.commit(OTHER, {})
        publication.commit(TOY, {}, check=unless_changed(live.files))
    assert ids(store) == ["b"] and ids(store, OTHER) == ["c"]  # what was committed before stays visible
    assert on_disk(store) == {"run1", "faster", "run2"}
    assert [p.parent.parent.name for p in Path(store.root).rglob("run2/*.parquet")] == ["other"]
    unless_changed(store.snapshot("toy").files)(store.snapshot("toy"))


def test_a_commit_that_may_have_landed_keeps_its_files(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*_: object) -> None:
        raise ConnectionError("no answer")

    monkeypatch.setattr(delta, "write_commit", lost)
    with pytest.raises(ConnectionError), Publication(store, "run1") as publication:
        publication.add(TOY, write(store, TOY, "run1", "a"))
        publication.commit(TOY, {})
    assert on_disk(store) == {"run1"}


def test_a_rewrite_takes_out_what_it_names(store: Store) -> None:
    show(store, "run1", "a")
    old: Snapshot = store.snapshot("toy")
    with Publication(store, "run2") as publication:
        publication.add(TOY, write(store, TOY, "run2", "b"))
        removed = [file.path for file in old.files]
        publication.commit(TOY, {}, mode="rewrite", removed=removed, check=unless_changed(old.files))
    assert ids(store) == ["b"]
