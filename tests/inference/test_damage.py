"""After a flipped bit in any file that it reads, a run publishes the right table, or one line names the file."""

from __future__ import annotations

import os
import random
import shutil
from collections import Counter
from pathlib import Path

import pytest

from shopbatch.runs.outcomes import find_user_error
from shopbatch.runs.report import Report
from shopbatch.warehouse.damage import FOLDER
from shopbatch.warehouse.store import Store
from shopbatch.warehouse.verify import verify_table
from tests.inference import toy
from tests.inference.test_foreign import contents
from tests.warehouse.rot import flip

pytestmark = pytest.mark.usefixtures("ray_local", "cut_small")
RUNS = int(os.environ.get("SHOPBATCH_FLIPPED_RUNS", "8"))  # a longer count for a person: 40
TABLES = (toy.SINK, toy.REJECTS, toy.MEMO)

Published = tuple[Store, list[list[toy.Row]]]


def data_files(store: Store, table: str) -> list[Path]:
    return sorted(Path(file.uri) for file in store.snapshot(table).files)


def run(store: Store, **config: object) -> Report | str:
    """The report of a run, or the one line with which it ends; any other error is raised."""
    try:
        return toy.run(store, toy.spec(), **config)
    except Exception as error:
        if (mistake := find_user_error(error)) is None:
            raise
        return str(getattr(mistake, "cause", mistake))


@pytest.mark.parametrize("table", TABLES)
def test_damaged_files_of_our_own_are_made_again(published: Published, table: str) -> None:
    store, before = published[0], contents(published[0])
    path = data_files(store, table)[0]
    where = str(path.relative_to(Path(store.root) / table))
    flip(path, random.Random(1))
    assert [f for f in verify_table(store, table).findings if f.startswith(where)]
    report = run(store)
    assert isinstance(report, Report) and report.outcome == "published" and where in report.message
    assert (report.rows.computed or 0) > 0 if table == toy.MEMO else report.rows.computed == 0
    assert all(contents(store)[name].equals(frame) for name, frame in before.items())
    assert (Path(store.root) / FOLDER / table / where).is_file() and not path.exists()
    assert not any(verify_table(store, name).findings for name in TABLES)
    again = run(store)
    assert isinstance(again, Report) and (again.outcome, again.message) == ("nothing to do", "")


def test_a_file_that_was_deleted_is_made_again(published: Published) -> None:
    store, before = published[0], contents(published[0])
    for table in TABLES:
        data_files(store, table)[0].unlink()
    report = run(store)
    assert isinstance(report, Report) and all(f"1 damaged file of {table}" in report.message for table in TABLES)
    assert all(contents(store)[name].equals(frame) for name, frame in before.items())


def test_a_damaged_source_is_named_and_nothing_is_lost(published: Published) -> None:
    store, before = published[0], contents(published[0])
    versions = toy.versions(store)
    path = data_files(store, "reviews")[-1]
    whole = path.read_bytes()
    flip(path, random.Random(2))
    line = run(store)
    assert isinstance(line, str) and "table 'reviews'" in line and path.name in line and "\n" not in line
    assert toy.versions(store) == versions
    path.write_bytes(whole)
    report = run(store)
    assert isinstance(report, Report) and report.outcome == "nothing to do"
    assert all(contents(store)[name].equals(frame) for name, frame in before.items())


def test_live_rows_that_cannot_be_read_are_not_kept(published: Published) -> None:
    """A row whose new result is pending keeps its live one; if that is damaged, the run says so by its numbers."""
    store, tables = published
    changed = [[{**row, "text": f"{row['text']} changed"} if row["text"] else row for row in table] for table in tables]
    toy.put(store, *changed, group=17)
    paths = data_files(store, toy.SINK)
    flip(paths[0], random.Random(3))
    report = run(store, limit=1)
    assert isinstance(report, Report) and paths[0].name in report.message and (report.rows.pending or 0) > 0
    later = run(store)
    assert isinstance(later, Report) and later.rows.pending == 0
    assert not verify_table(store, toy.SINK).findings


def test_a_worker_does_not_take_over_a_damaged_file(published: Published) -> None:
    """Files that a killed run has written and not committed are adopted only if they are whole."""
    store, before = published[0], contents(published[0])
    lost = data_files(store, toy.MEMO)[0]
    run_id = lost.parent.name
    store.commit(toy.spec().memo, [], "rewrite", "test", {}, [str(lost.relative_to(store.uri(toy.MEMO)))])
    lease = Path(store.root, "_runs", "score_reviews", run_id, "inflight")
    lease.parent.mkdir(parents=True, exist_ok=True)
    lease.write_text(f'{{"recipe": "{toy.spec().recipe}"}}', "utf-8")
    flip(lost, random.Random(4))
    report = run(store)
    assert isinstance(report, Report) and (report.rows.computed or 0) > 0
    assert lost not in data_files(store, toy.MEMO)
    assert all(contents(store)[name].equals(frame) for name, frame in before.items())


def test_flips_anywhere_in_a_warehouse_are_harmless_or_named(published: Published, tmp_path: Path) -> None:
    store = published[0]
    before, whole = contents(store), tmp_path / "whole"
    shutil.copytree(store.root, whole)
    outcomes: Counter[str] = Counter()
    tables = [p for p in Path(store.root).iterdir() if not p.name.startswith("_")]
    paths = sorted(p for table in tables for p in table.rglob("*") if p.is_file())
    for seed in range(RUNS):
        draw = random.Random(seed)
        path = paths[draw.randrange(len(paths))]
        where = flip(path, draw)
        ended = run(store)
        if isinstance(ended, str):
            assert path.name in ended and "\n" not in ended, (seed, where, ended)
            outcomes["named"] += 1
        else:
            after = contents(store)
            assert all(after[name].equals(frame) for name, frame in before.items()), (seed, where)
            outcomes[ended.outcome] += 1
        shutil.rmtree(store.root)
        shutil.copytree(whole, store.root)
    print(dict(outcomes))
    assert outcomes["named"] and outcomes["published"]
