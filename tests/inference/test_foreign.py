"""What others do to the tables that only shopbatch writes is noticed, named and undone by the next run."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake

from shopbatch.core.errors import GateRefused
from shopbatch.inference.candidate import VOLATILE
from shopbatch.warehouse.store import Store
from tests.inference import toy

pytestmark = pytest.mark.usefixtures("ray_local", "cut_small")
ANY_ROW = "content_hash IS NOT NULL"


def predicate(table: str) -> str:
    return "hash_hi IS NOT NULL" if table == toy.MEMO else ANY_ROW


def delete(uri: str, table: str) -> None:
    DeltaTable(uri).delete("hash_hi > 0" if table == toy.MEMO else "review_id = 'e1' OR review_id > 'r2'")


def update(uri: str, table: str) -> None:
    column = "reason" if table in (toy.MEMO, toy.REJECTS) else "label"
    DeltaTable(uri).update(updates={column: "'forged'"}, predicate=predicate(table))


def append(uri: str, table: str) -> None:
    write_deltalake(uri, DeltaTable(uri).to_pyarrow_table().slice(0, 1), mode="append")


def overwrite(uri: str, table: str) -> None:
    write_deltalake(uri, DeltaTable(uri).to_pyarrow_table().slice(0, 2), mode="overwrite")


def restore(uri: str, table: str) -> None:
    DeltaTable(uri).restore(DeltaTable(uri).version() - 1)


@pytest.fixture(scope="module")
def shop(ray_local: None, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A warehouse with two published versions, so that there is something to restore."""
    store = toy.warehouse(tmp_path_factory.mktemp("foreign"))
    rows = [{"review_id": f"r{i}", "text": f"text {i % 40}", "language": "en"} for i in range(60)]
    rows += [{"review_id": f"e{i}", "text": " "} for i in range(6)]
    toy.put(store, rows[:50] + rows[60:63])
    toy.run(store, toy.spec())
    toy.put(store, rows)
    toy.run(store, toy.spec())
    return store


def contents(store: Store) -> dict[str, pl.DataFrame]:
    """The tables by what they say, in one order."""
    tables = {}
    for name in (toy.SINK, toy.REJECTS, toy.MEMO):
        frame = pl.read_delta(store.uri(name))
        frame = frame.drop([c for c in VOLATILE if c in frame.columns])
        tables[name] = frame.sort([c for c in ("review_id", "hash_hi", "hash_lo", "attempt") if c in frame.columns])
    return tables


@pytest.mark.parametrize("table", [toy.SINK, toy.REJECTS, toy.MEMO])
@pytest.mark.parametrize("change", [delete, update, append, overwrite, restore], ids=lambda change: change.__name__)
def test_it_is_noticed_named_and_undone(shop: Store, change: Callable[[str, str], None], table: str) -> None:
    before, version = contents(shop), shop.snapshot(table).version
    change(shop.uri(table), table)
    assert not contents(shop)[table].equals(before[table]), "or nothing was tested"
    report = toy.run(shop, toy.spec())
    assert report.outcome == "published" and report.rows.computed == 0
    assert f"others changed {table} after our version {version} (version {version + 1}: " in report.message
    after = contents(shop)
    assert all(after[name].equals(before[name]) for name in before)
    again = toy.run(shop, toy.spec())
    assert (again.outcome, again.message) == ("nothing to do", "")


def test_what_changes_no_row_is_nobodys_mistake(shop: Store) -> None:
    before = contents(shop)
    for name in (toy.SINK, toy.MEMO):
        DeltaTable(shop.uri(name)).optimize.compact()
        DeltaTable(shop.uri(name)).vacuum(0, dry_run=False, enforce_retention_duration=False)
    report = toy.run(shop, toy.spec())
    assert (report.outcome, report.message, report.rows.computed) == ("nothing to do", "", 0)
    assert all(contents(shop)[name].equals(frame) for name, frame in before.items())


@pytest.mark.parametrize("table", [toy.SINK, toy.MEMO])
def test_files_that_are_gone_are_made_again(shop: Store, table: str) -> None:
    before = contents(shop)
    delete(shop.uri(table), table)
    DeltaTable(shop.uri(table)).vacuum(0, dry_run=False, enforce_retention_duration=False)
    report = toy.run(shop, toy.spec())
    assert "of its files are gone" in report.message
    assert report.rows.computed == 0 if table == toy.SINK else (report.rows.computed or 0) > 0
    after = contents(shop)
    assert after[toy.SINK].equals(before[toy.SINK]) and after[toy.REJECTS].equals(before[toy.REJECTS])
    assert toy.run(shop, toy.spec()).outcome == "nothing to do"


def test_a_source_that_was_emptied_or_cut_empties_nothing(store: Store) -> None:
    rows = [{"review_id": f"r{i}", "text": f"text {i}"} for i in range(40)]
    toy.put(store, rows)
    toy.run(store, toy.spec())
    live = store.snapshot(toy.SINK).version
    for left in (0, 19):
        toy.put(store, rows[:left])
        with pytest.raises(GateRefused, match=r"'shrinking'.*set gates\.rows=any"):
            toy.run(store, toy.spec())
        assert store.snapshot(toy.SINK).version == live
    toy.put(store, rows[:20])
    assert toy.run(store, toy.spec()).rows.published == 20
    toy.put(store, [])
    report = toy.run(store, toy.spec(), gates={"rows": "any", "reject_share": 1.0})
    assert (report.outcome, store.snapshot(toy.SINK).rows) == ("published", 0)
