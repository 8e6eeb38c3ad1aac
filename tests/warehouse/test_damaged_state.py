"""A damaged state file is named, and is recovered or refused in one line; it ends no later run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from deltalake import DeltaTable
from safetensors.numpy import save_file

from shopbatch.cli import main as cli
from shopbatch.cluster.attempts import Attempt, Place, done, latest
from shopbatch.core.errors import Stopped, UserError
from shopbatch.inference.journal import MAX_DEATHS, EngineBroken, Journal
from shopbatch.models import registry
from shopbatch.models.folder import ModelError
from shopbatch.runs import history
from shopbatch.runs.claims import claim
from shopbatch.runs.report import Report, run_folder
from shopbatch.runs.run_key import read_records, write_record
from shopbatch.tables import REVIEWS
from shopbatch.tables.load_rejects import load_rejects
from shopbatch.tables.review_sentiment import REVIEW_SENTIMENT
from shopbatch.training import workers
from shopbatch.training.config import LoopConfig, WorkersConfig
from shopbatch.training.worker import DONE, finished
from shopbatch.warehouse import state_files
from shopbatch.warehouse.foreign import put_right
from shopbatch.warehouse.store import Store
from tests.cluster.test_attempts import KEY, Cluster
from tests.inference import toy
from tests.warehouse.damage import DAMAGES, LOST

Damage = Callable[[Path], object]
Capture = pytest.CaptureFixture[str]
ALL = [pytest.param(damage, id=name) for name, damage in (DAMAGES | LOST).items()]
NOT_LOST = [pytest.param(damage, id=name) for name, damage in DAMAGES.items()]
RUNS = ("20261101T000000Z-aaaaaa", "20261102T000000Z-bbbbbb")
ROWS = [{"review_id": f"r{i}", "text": f"text {i}"} for i in range(4)]


@pytest.fixture(autouse=True)
def unnamed() -> None:
    """As in a new process: no damaged file has been named yet."""
    state_files._named.clear()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A warehouse of two versions of two tables with a row that was not loaded, two runs, and a model."""
    store = Store(str(tmp_path_factory.mktemp("made") / "warehouse"))
    for part in (2, 4):
        version = toy.put(store, ROWS[:part])
        rows = ROWS[:part]
        data = REVIEW_SENTIMENT.fill(
            len(rows), **{c.name: _values(c, rows) for c in REVIEW_SENTIMENT.columns if not c.nullable}
        )
        source = {"table": "reviews", "version": version}
        file = store.write_file(REVIEW_SENTIMENT, data, f"run{part}", 0)
        store.commit(REVIEW_SENTIMENT, [file], "replace", f"run{part}", {"job": "score_reviews", "source": source})
    for run_id in RUNS:
        report = Report("score_reviews", run_id)
        report.finish("published", 0)
        report.save(store.root)
        Path(run_folder(store.root, "score_reviews", run_id), "log.txt").write_text("00:00:00 began\n")
    registry.publish(f"{store.root}/_models", "toy", _build)
    return store


def _values(column: Any, rows: list[dict[str, str]]) -> Any:
    import pyarrow as pa

    if column.name == "review_id":
        return pa.array([row["review_id"] for row in rows])
    text = "0" * 32 if column.name == "content_hash" else RUNS[1] if column.name == "run_id" else "x"
    return pa.array([text if pa.types.is_string(column.type) else 1] * len(rows)).cast(column.type)


def _build(folder: Path) -> None:
    save_file({"w": np.ones(3, np.float32)}, folder / "model.safetensors")


@pytest.fixture
def shop(made: Store, store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    shutil.copytree(made.root, store.root)
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", store.root)
    return store


def log(store: Store, table: str, version: int) -> Path:
    return Path(store.root, table, "_delta_log", f"{version:020}.json")


@pytest.mark.parametrize("damage", ALL)
def test_a_damaged_report_is_listed_and_every_command_goes_on(shop: Store, damage: Damage, capsys: Capture) -> None:
    damage(Path(run_folder(shop.root, "score_reviews", RUNS[1]), "report.json"))
    assert [run["outcome"] for run in history.newest(shop.root)] == ["damaged", "published"]
    for words in (
        ["runs"],
        ["report", "score_reviews"],
        ["docs"],
        ["show", "review_sentiment"],
        ["why", "review_sentiment", "r1"],
        ["tables"],
    ):
        assert cli.main(words) == 0, words
        assert "Traceback" not in capsys.readouterr().err
    assert [run["outcome"] for run in history.newest(shop.root)] == ["damaged", "published"], "looking changes nothing"


@pytest.mark.parametrize("damage", ALL)
def test_a_damaged_heartbeat_costs_no_run(shop: Store, damage: Damage) -> None:
    report = Report("score_reviews", "20261103T000000Z-cccccc", started_at="2026-11-03T00:00:00+00:00")
    report.save_as_running(shop.root)
    beat = Path(run_folder(shop.root, report.job, report.run_id), "heartbeat.json")
    beat.write_text(json.dumps({"at": "2026-11-03T00:00:00+00:00", "stage": "compute", "done": 1, "total": 2}))
    damage(beat)
    assert [run["outcome"] for run in history.newest(shop.root)] == ["lost", "published", "published"]


@pytest.mark.parametrize("damage", ALL)
def test_a_run_whose_process_died_gets_a_report_whatever_was_there(shop: Store, damage: Damage) -> None:
    folder = Path(run_folder(shop.root, "score_reviews", RUNS[1]))
    damage(folder / "report.json")
    run = {"warehouse": shop.root, "job": "score_reviews", "run_id": RUNS[1]}
    line = history.close_lost(run | {"log": str(folder / "log.txt"), "remote_log": False}, "it died")
    assert json.loads(line)["message"] == "it died"
    assert [run["outcome"] for run in history.newest(shop.root)] == ["stopped", "published"]


@pytest.mark.parametrize("damage", ALL)
def test_a_damaged_record_of_an_attempt_is_as_none(shop: Store, damage: Damage, capsys: Capture) -> None:
    """The attempt counts as lost, so that the work is started again; a run that has nothing to do says so."""
    for number in (1, 2):
        write_record(shop.root, KEY, number, '{"exit_code": 0, "outcome": "published", "rows": {}}')
    folder = Path(shop.root, "_runs", "_keys", KEY)
    damage(folder / "0001.json")
    assert list(read_records(shop.root, KEY)) == [2]
    damage(folder / "0002.json")
    attempt = latest(Place(shop.root, Cluster(shop.root)), KEY)  # type: ignore[arg-type]
    assert attempt is not None and (attempt.number, attempt.state, done(attempt)) == (1, "lost", False)
    write_record(shop.root, KEY, 1, '{"exit_code": 0, "outcome": "nothing to do", "rows": {}}')
    assert done(Attempt(KEY, 1, read_records(shop.root, KEY)[1]))
    if damage not in LOST.values():
        said = capsys.readouterr().err.splitlines()
        assert len(said) == 2 and "0001.json is damaged" in said[0] and "set aside as 0001.json.damaged-1" in said[0]


@pytest.mark.parametrize("damage", NOT_LOST)
def test_a_damaged_journal_begins_the_unit_anew_but_not_for_ever(tmp_path: Path, damage: Damage) -> None:
    uri = tmp_path / "journal" / "p00000-0000000.json"
    for number in range(1, MAX_DEATHS + 1):
        Journal(str(uri)).begin([1, 2, 3])
        damage(uri)
        journal = Journal.open(str(uri))
        assert (journal.deaths, journal.suspects, journal.rejected) == (number, set(), {})
    Journal(str(uri)).begin([1, 2, 3])
    damage(uri)
    with pytest.raises(EngineBroken, match=str(MAX_DEATHS + 1)):
        Journal.open(str(uri))


@pytest.mark.parametrize("damage", NOT_LOST)
def test_a_damaged_result_of_a_training_is_made_again(tmp_path: Path, damage: Damage, capsys: Capture) -> None:
    run: Any = SimpleNamespace(folder=str(tmp_path), loop=LoopConfig(), workers=WorkersConfig())
    state = {"step": 7, "best": None, "best_step": 0, "worse": 0, "tokens": 1, "stopped": False, "history": []}
    (tmp_path / DONE).write_text(json.dumps(state))
    assert workers.train(run, lambda *_: None) == state, "or nothing was tested"
    damage(tmp_path / DONE)
    made_again: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:

        def run_workers(*_: Any) -> None:
            made_again.append(finished(run))
            (tmp_path / DONE).write_text(json.dumps(state))

        patch.setattr(workers, "run_workers", run_workers)
        assert workers.train(run, lambda *_: None) == state
    assert made_again == [None] and "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("damage", NOT_LOST)
def test_a_damaged_pointer_to_a_live_model_is_one_line_and_can_be_set_anew(
    shop: Store, damage: Damage, capsys: Capture
) -> None:
    root, name = f"{shop.root}/_models", "toy"
    key = registry.resolve(root, "toy@live").digest[:12]
    damage(Path(root, name, "live.json"))
    with pytest.raises(ModelError, match=rf"live\.json .*publish the model again.*there: toy@{key}") as error:
        registry.resolve(root, "toy@live")
    assert "\n" not in str(error.value)
    assert cli.main(["models"]) == 0 and f"toy@{key}\n" in capsys.readouterr().out
    registry.publish(root, name, _build)
    assert registry.resolve(root, "toy@live").digest[:12] == key


def test_a_folder_in_the_place_of_a_file_that_each_run_writes_is_moved(shop: Store) -> None:
    place = Path(shop.root, "_runs", ".writable")
    place.unlink(missing_ok=True)
    (place / "x").mkdir(parents=True)
    shop.check_writable()
    assert place.is_file()
    (moved,) = place.parent.glob(".writable.damaged-*")
    assert (moved / "x").is_dir()


@pytest.mark.parametrize("version", [4, 2, 0], ids=["newest", "middle", "first"])
@pytest.mark.parametrize("damage", NOT_LOST)
def test_a_damaged_log_entry_is_one_line_and_never_other_rows(
    shop: Store, damage: Damage, version: int, capsys: Capture
) -> None:
    toy.put(shop, ROWS[:3])
    toy.put(shop, ROWS)
    entry = log(shop, "reviews", version)
    whole = entry.read_bytes()
    damage(entry)
    for words in (["show", "reviews"], ["run", "score_reviews", "engine.kind=fake", "--json"]):
        assert cli.main(words) == 2, words
        said = capsys.readouterr().err.strip()
        assert "\n" not in said and entry.name in said and "restore it from a backup" in said
    with pytest.raises(UserError, match="move it and" if version == 4 else "move the folder"):
        put_right(shop, REVIEWS, anew=version != 4)
    shutil.rmtree(entry) if entry.is_dir() else entry.unlink(missing_ok=True)
    entry.write_bytes(whole)
    assert shop.snapshot("reviews").rows == 4


def test_a_log_entry_that_is_lost_in_the_middle_or_cut_after_a_line_is_refused(shop: Store) -> None:
    entry = log(shop, "reviews", 1)
    whole = entry.read_bytes()
    for rest in (whole.splitlines(keepends=True)[:1], whole.splitlines(keepends=True)[:2]):
        entry.write_bytes(b"".join(rest))
        with pytest.raises(UserError, match="its end is missing"):
            shop.snapshot("reviews")
    entry.unlink()
    with pytest.raises(UserError, match=f"{entry.name} is damaged .it is missing"):
        shop.snapshot("reviews")


@pytest.mark.parametrize("damage", NOT_LOST)
def test_the_newest_log_entry_of_a_table_that_is_made_again_is_set_aside(shop: Store, damage: Damage) -> None:
    before = shop.snapshot("review_sentiment", 1).read()
    damage(log(shop, "review_sentiment", 2))
    said = put_right(shop, REVIEW_SENTIMENT, anew=True)
    assert "newest log entry of review_sentiment was damaged and is set aside: version 1 is the newest" in said
    assert shop.snapshot("review_sentiment").version == 1 and shop.snapshot("review_sentiment").read() == before
    assert put_right(shop, REVIEW_SENTIMENT, anew=True) == ""
    file = shop.write_file(REVIEW_SENTIMENT, before, "again", 0)
    assert shop.commit(REVIEW_SENTIMENT, [file], "replace", "again") == 2


def test_a_table_whose_only_entry_is_damaged_can_be_made_again(shop: Store) -> None:
    log(shop, "review_sentiment", 2).unlink()
    log(shop, "review_sentiment", 1).unlink()
    log(shop, "review_sentiment", 0).write_bytes(b"")
    assert "no version is left" in put_right(shop, REVIEW_SENTIMENT, anew=True)
    assert shop.find("review_sentiment") is None
    assert shop.commit(REVIEW_SENTIMENT, [], "replace", "again") >= 0


@pytest.mark.parametrize("name", ["_last_checkpoint", f"{2:020}.checkpoint.parquet"])
@pytest.mark.parametrize("damage", ALL)
def test_a_damaged_checkpoint_costs_nothing_while_the_entries_are_there(
    shop: Store, name: str, damage: Damage, capsys: Capture
) -> None:
    uri = shop.uri("reviews")
    DeltaTable(uri).create_checkpoint()
    toy.put(shop, ROWS[:3])
    file = Path(uri, "_delta_log", name)
    if name.endswith("parquet") and damage is DAMAGES["wrong types"]:
        damage = DAMAGES["random"]
    damage(file)
    assert shop.snapshot("reviews").rows == 3
    assert toy.put(shop, ROWS) == 4 and shop.snapshot("reviews").rows == 4
    if name.endswith("parquet") and damage not in LOST.values():
        assert "checkpoint.parquet is damaged" in capsys.readouterr().err


def test_a_damaged_checkpoint_that_the_entries_do_not_replace_is_refused(shop: Store) -> None:
    uri = shop.uri("reviews")
    DeltaTable(uri).create_checkpoint()
    log(shop, "reviews", 0).unlink()
    checkpoint = Path(uri, "_delta_log", f"{2:020}.checkpoint.parquet")
    checkpoint.write_bytes(checkpoint.read_bytes()[:-20])
    with pytest.raises(UserError, match=r"checkpoint\.parquet is damaged .*restore it from a backup") as error:
        shop.snapshot("reviews")
    assert "\n" not in str(error.value) and checkpoint.exists()


@pytest.mark.parametrize("damage", NOT_LOST)
def test_a_damaged_list_of_refused_rows_is_one_line(
    shop: Store, damage: Damage, tmp_path: Path, capsys: Capture
) -> None:
    table = load_rejects("reviews")
    shop.commit(table, [shop.write_file(table, _refused(), "r", 0)], "append", "load/1", {"loads": ["1"]})
    entry = log(shop, table.name, 1)
    damage(entry)
    file = tmp_path / "new.csv"
    file.write_text("review_id,text\nn1,fine\nn2,good\n")
    assert cli.main(["load", "reviews", str(file)]) == 2
    said = capsys.readouterr().err.strip()
    assert "\n" not in said and entry.name in said
    assert f".{entry.name}.crc away" in said
    shutil.move(entry, tmp_path / "away")
    entry.with_name(f".{entry.name}.crc").unlink()
    assert cli.main(["load", "reviews", str(file)]) == 0


def _refused() -> Any:
    import pyarrow as pa

    table = load_rejects("reviews")
    text = {c.name: pa.array(["x"]) for c in table.columns if pa.types.is_string(c.type)}
    return table.fill(1, **text, source_row=pa.array([1], pa.int64()))


def test_a_table_that_cannot_be_read_is_listed_beside_the_others(
    shop: Store, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "500")  # the path of the file is long
    log(shop, "reviews", 2).write_bytes(b"")
    assert cli.main(["tables"]) == 0
    shown = capsys.readouterr()
    assert f"{2:020}.json is damaged (it is empty)" in shown.out + shown.err
    assert any(line.split()[:3] == ["review_sentiment", "4", "2"] for line in shown.out.splitlines()), shown.out
    assert cli.main(["docs"]) == 0


@pytest.mark.parametrize("damage", NOT_LOST)
def test_a_damaged_claim_is_free(shop: Store, damage: Damage) -> None:
    """It only saves work: no later run may have to wait for it, or end because of it."""
    report = Report("score_reviews")
    with claim(shop, report, "recipe", False, "computes"):
        pass
    (table,) = Path(shop.root, "_runs", "_claims").iterdir()
    damage(max((table / "_delta_log").glob("*.json")))
    with claim(shop, report, "recipe", False, "computes") as waited:
        assert waited is None
        with (
            pytest.raises(Stopped, match="computes"),
            claim(shop, Report("score_reviews"), "recipe", False, "computes"),
        ):
            pass


@pytest.mark.parametrize("damage", ALL)
def test_damaged_checksums_condemn_no_entry_that_is_right(shop: Store, damage: Damage) -> None:
    sums = log(shop, "reviews", 2).with_name(f".{2:020}.json.crc")
    if damage is DAMAGES["wrong types"]:
        damage = DAMAGES["number"]
    damage(sums)
    assert shop.snapshot("reviews").rows == 4
    assert toy.put(shop, ROWS[:3]) == 3 and shop.snapshot("reviews").rows == 3
