"""What other clients do to the tables in the middle of a run: the right table, or exit code 4; the next run is right.

VACUUM without retention, OPTIMIZE and RESTORE happen between two steps of the driver, to all tables of the run at once.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from shopbatch.inference import publish
from shopbatch.inference import run as inference_run
from shopbatch.inference.candidate import VOLATILE
from shopbatch.runs.job import Ended, _classify
from shopbatch.runs.outcomes import STOPPED
from shopbatch.runs.report import Report
from shopbatch.warehouse.store import Store
from tests.inference import toy
from tests.warehouse.other_clients import compact_and_vacuum, restore, vacuum

pytestmark = pytest.mark.usefixtures("ray_local", "cut_small")
TABLES = (toy.SINK, toy.REJECTS, toy.MEMO, "reviews")


def rows(count: int) -> list[toy.Row]:
    return [{"review_id": f"r{i}", "text": f"text {i % 65}"} for i in range(count)] + [{"review_id": "e", "text": " "}]


def said(store: Store, table: str) -> pl.DataFrame:
    frame = pl.read_delta(store.uri(table))
    lasting = [c for c in frame.columns if c not in (*VOLATILE, "source_file", "source_row")]  # these are of the source
    return frame.select(lasting).sort("review_id")


@pytest.fixture(scope="module")
def shop(ray_local: None, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Two published versions, so that there is something to restore, and a third source that is not published yet."""
    store = toy.warehouse(tmp_path_factory.mktemp("meanwhile"))
    for count in (40, 60):
        toy.put(store, rows(count)[:30], rows(count)[30:])
        toy.run(store, toy.spec())
    toy.put(store, rows(70)[:30], rows(70)[30:])
    return store


@pytest.fixture(scope="module")
def right(ray_local: None, tmp_path_factory: pytest.TempPathFactory) -> dict[int, tuple[pl.DataFrame, pl.DataFrame]]:
    """Table and rejects of an undisturbed run, by the number of the source's rows."""
    tables = {}
    for count in (60, 70):
        store = toy.warehouse(tmp_path_factory.mktemp("right"))
        toy.put(store, rows(count))
        toy.run(store, toy.spec())
        tables[count + 1] = said(store, toy.SINK), said(store, toy.REJECTS)
    return tables


@pytest.mark.parametrize("place", ["before_commit", "before_publish", "between_commits"])
@pytest.mark.parametrize("change", [vacuum, compact_and_vacuum, restore], ids=lambda change: change.__name__)
def test_the_next_run_is_right(
    shop: Store, right: dict[int, tuple[pl.DataFrame, pl.DataFrame]], tmp_path: Path, change: Callable[[str], None],
    place: str, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    shutil.copytree(shop.root, tmp_path / "warehouse")
    store, happened = toy.warehouse(tmp_path), list[str]()

    def at(name: str) -> None:
        if name == place:
            happened.append(name)
            for table in TABLES:
                change(store.uri(table))

    monkeypatch.setattr(inference_run, "crash_point", at)
    monkeypatch.setattr(publish, "crash_point", at)
    try:
        toy.run(store, toy.spec(), workers=1)
    except Exception as error:  # noqa: BLE001  what `runs.job` makes of it is what matters
        ended = Ended(Report("score_reviews"))
        _classify(ended, error, [])
        assert ended.code == STOPPED and "\n" not in ended.report.message, ended.report.message
    else:
        now = said(store, toy.SINK), said(store, toy.REJECTS)
        assert any(now[0].equals(sink) and now[1].equals(rejects) for sink, rejects in right.values())
    assert happened == [place], "or nothing was tested"
    monkeypatch.undo()
    toy.run(store, toy.spec(), workers=1)
    sink, rejects = right[store.snapshot("reviews").rows]
    assert said(store, toy.SINK).equals(sink) and said(store, toy.REJECTS).equals(rejects)
    assert toy.run(store, toy.spec(), workers=1).outcome == "nothing to do"
