"""Run keys and the records of the attempts at them."""

from __future__ import annotations

from pathlib import Path

import pytest

from shopbatch.cli import main as cli
from shopbatch.core import config
from shopbatch.core.errors import UserError
from shopbatch.runs import job
from shopbatch.runs.run_key import RunKey, logical_date, read_records, write_record
from tests.inference import toy

ROOT = Path(__file__).parents[2]


def key(*overrides: str, name: str = "describe_products", date: str = "2026-11-22") -> str:
    settings = config.load(job.find(name).config, name, "prod", list(overrides))
    return str(RunKey.of(name, settings, settings.platform.warehouse, date))


def test_a_key_depends_on_job_date_warehouse_and_configuration_and_not_on_where_it_runs(project: Path) -> None:
    first = key()
    assert first.startswith("describe_products-20261122-") and str(RunKey.parse(first)) == first
    assert key("platform.driver_cpus=2") == first
    assert key("attempts=3") == first, "conf/ sets the same value"
    assert key(date="2026-11-23") != first != key("attempts=2")
    assert key("platform.warehouse=/elsewhere") != first
    prompt = project / "conf" / "prompts" / "describe.en.md"
    prompt.write_text(prompt.read_text("utf-8") + "Be brief.", "utf-8")
    assert key() != first
    assert key("model=" + "请" * 200) != first


def test_logical_dates() -> None:
    assert logical_date("2026-11-22") == "20261122"
    assert logical_date("2026-11-22T06:30:05+00:00") == "20261122T063005"
    assert logical_date("2026-11-22T08:30+02:00") == "20261122T063000"


NO_KEYS = ("../../x", "score_reviews", "score_reviews-20261122-xyz", "a/b-20261122-0123456789ab")


@pytest.mark.parametrize("text", NO_KEYS)
def test_what_is_no_key_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match="is no run key"):
        RunKey.parse(text)
    assert cli.main(["run", "score_reviews", "--run-key", text]) == 2
    assert "is no run key" in capsys.readouterr().err


def test_records_are_read_by_attempt(tmp_path: Path) -> None:
    root, name = str(tmp_path), "score_reviews-20261122-0123456789ab"
    assert read_records(root, name) == {}
    write_record(root, name, 2, '{"exit_code":0,"outcome":"published"}')
    assert read_records(root, name) == {2: {"exit_code": 0, "outcome": "published"}}


def test_a_run_under_a_key_leaves_its_record_also_for_a_mistake(
    ray_local: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store, name = toy.warehouse(tmp_path), "score_reviews-20261122-0123456789ab"
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", store.root)
    words = ["--run-key", name, "engine.kind=fake", "--attempt"]
    assert job.main("score_reviews", [*words, "1"]) == 2
    toy.put(store, toy.reviews([{"review_id": "r", "text": "good"}]))
    assert job.main("score_reviews", [*words, "2"]) == 0
    records = read_records(store.root, name)
    assert [(r["exit_code"], r["attempt"], r["run_key"]) for r in records.values()] == [(2, 1, name), (0, 2, name)]
    assert "no table 'reviews'" in records[1]["message"]
    monkeypatch.setattr("shopbatch.runs.environment.RELEVANT", ("xxhash",))
    monkeypatch.setattr("shopbatch.runs.environment.installed", lambda package: "0.1")
    monkeypatch.setenv("SHOPBATCH_HOME", str(config.root()))
    assert job.main("score_reviews", [*words, "3"]) == 2
    assert "xxhash 0.1 (locked: " in capsys.readouterr().err
