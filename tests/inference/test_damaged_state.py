"""Damaged leases and log entries: the next run names them, and its tables are right."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from shopbatch.inference.memo import Memo
from shopbatch.runs.report import Report
from shopbatch.warehouse import state_files
from shopbatch.warehouse.store import Store
from tests.inference import toy
from tests.inference.test_foreign import contents
from tests.warehouse.damage import DAMAGES, LOST

pytestmark = pytest.mark.usefixtures("ray_local", "cut_small")


@pytest.fixture(scope="module")
def once(ray_local: None, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A warehouse of two published versions."""
    store = toy.warehouse(tmp_path_factory.mktemp("damaged"))
    rows = [{"review_id": f"r{i}", "text": f"text {i}"} for i in range(40)] + [{"review_id": "e", "text": " "}]
    for count in (30, len(rows)):
        toy.put(store, rows[:count])
        toy.run(store, toy.spec(), workers=1)
    return store


@pytest.fixture
def shop(once: Store, tmp_path: Path) -> Store:
    shutil.copytree(once.root, tmp_path / "warehouse")
    return toy.warehouse(tmp_path)


@pytest.mark.parametrize(
    ("table", "damage"),
    [
        *((toy.SINK, damage) for damage in ("empty", "cut", "nul", "folder")),
        *((toy.REJECTS, damage) for damage in ("empty", "random")),
        *((toy.MEMO, damage) for damage in ("empty", "cut", "no keys")),
    ],
)
def test_a_damaged_newest_log_entry_is_set_aside_and_the_table_published_anew(
    shop: Store, table: str, damage: str
) -> None:
    before = contents(shop)
    DAMAGES[damage](max(Path(shop.uri(table), "_delta_log").glob("*.json")))
    report = toy.run(shop, toy.spec(), workers=1)
    assert report.outcome == "published"
    assert f"the newest log entry of {table} was damaged and is set aside" in report.message
    assert (report.rows.computed or 0) > 0 if table == toy.MEMO else report.rows.computed == 0
    after = contents(shop)
    assert all(after[name].equals(before[name]) for name in before)
    again = toy.run(shop, toy.spec(), workers=1)
    assert (again.outcome, again.message) == ("nothing to do", "")


class Killed(BaseException):
    """Nothing catches it."""


@pytest.mark.parametrize("damage", [*DAMAGES, *LOST])
def test_what_a_killed_run_wrote_is_adopted_or_computed_again_whatever_became_of_its_lease(
    shop: Store, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    state_files._named.clear()
    before = contents(shop)
    kept, killed = before[toy.MEMO], Report("score_reviews")
    toy.put(shop, [{"review_id": f"r{i}", "text": f"text {i}"} for i in range(44)])

    def kill(memo: Memo, written: object) -> None:
        raise Killed

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        from shopbatch.inference.run import run_inference

        patch.setattr(Memo, "commit", kill)
        toy.attempt(shop, toy.spec(), killed, run_inference, workers=1)
    lease = Path(shop.root, "_runs", "score_reviews", killed.run_id, "inflight")
    assert json.loads(lease.read_bytes()) == {"recipe": toy.spec().recipe} and contents(shop)[toy.MEMO].equals(kept)
    (DAMAGES | LOST)[damage](lease)
    report = toy.run(shop, toy.spec(), workers=1)
    adopted = damage not in ("lost", "folder")
    assert (report.outcome, report.rows.computed) == ("published", 0 if adopted else 4)
    assert shop.snapshot(toy.SINK).rows == 44
    assert ("inflight is damaged" in capsys.readouterr().err) == adopted
    assert toy.run(shop, toy.spec(), workers=1).outcome == "nothing to do"
