"""Run keys, what travels under them, and when there is nothing more to do: without a cluster."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from shopbatch.cli import main as cli
from shopbatch.cluster import bundle
from shopbatch.cluster.jobs import ClusterJob
from shopbatch.cluster.submit import Attempt, Place, Request, done, latest, wait
from shopbatch.core import config
from shopbatch.core.errors import UserError
from shopbatch.runs import job
from shopbatch.runs.run_key import RunKey, logical_date, read_records, write_record
from tests.inference import toy

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of jobs and conf that a test may change."""
    for name in ("jobs", "conf"):
        shutil.copytree(ROOT / name, tmp_path / "project" / name)
    monkeypatch.setenv("SHOPBATCH_HOME", str(tmp_path / "project"))
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", str(tmp_path / "warehouse"))
    return tmp_path / "project"


def key(*overrides: str, name: str = "describe_products", date: str = "2026-11-22") -> str:
    return str(Request(name, "prod", overrides, date=date).resolve()[0])


class Cluster:
    """A cluster that remembers one attempt, sent with a warehouse of its own."""

    def __init__(self, warehouse: str) -> None:
        self.warehouse = warehouse

    def info(self, name: str) -> ClusterJob | None:
        told = {"warehouse": self.warehouse}
        return ClusterJob(name, "SUCCEEDED", metadata=told) if name.endswith("-a1") else None


def test_a_run_with_a_warehouse_of_its_own_is_followed_there(project: Path, tmp_path: Path) -> None:
    """`status`, `logs` and `cancel` are told the key alone."""
    run, own = key(), str(tmp_path / "own")
    write_record(own, run, 1, '{"exit_code": 0, "outcome": "published", "rows": {}}')
    place = Place(str(tmp_path / "warehouse"), Cluster(own))  # type: ignore[arg-type]
    attempt = latest(place, run)
    assert attempt is not None and attempt.number == 1 and done(attempt)
    assert done(wait(place, Attempt(run, 1)))


def test_a_key_says_job_date_and_configuration_and_nothing_of_where_it_runs(project: Path) -> None:
    first = key()
    assert first.startswith("describe_products-20261122-") and str(RunKey.parse(first)) == first
    assert key("platform.driver_cpus=2") == first
    assert key("attempts=3") == first, "a default that is named"
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


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("conf/prod/score_reviews.yaml", "engine: {api_key: hunter2}"),
        ("conf/prod/score_reviews.yaml", "platform:\n  password:\n    hunter2\n"),
        ("conf/prod/score_reviews.yaml", "platform:\n  password: >\n    hunter2\n"),
        ("conf/prod/more.json", '{"secret_key": "hunter2"}'),
        ("conf/prompts/describe.en.md", "write to https://me:hunter2@shop.example"),
        ("jobs/more.py", 'KEY = "sk-hunter20123456789"'),
        ("conf/prod/.env", "A=hunter2"),
        ("overlay.conf", "model: x\nhf_token: hunter2"),
    ],
)
def test_no_secret_travels(project: Path, tmp_path: Path, name: str, text: str) -> None:
    (project / name).write_text(text, "utf-8")
    overlay = str(project / name) if name.startswith("overlay") else None
    with pytest.raises(UserError) as told:
        bundle.build(tmp_path / "sent", overlay)
    assert Path(name).name in str(told.value) and "hunter2" not in str(told.value)


def test_a_bundle_is_code_conf_and_lock_and_its_digest_is_of_their_content(project: Path, tmp_path: Path) -> None:
    (project / "notes.txt").write_text("mine", "utf-8")
    first = bundle.build(tmp_path / "a")
    assert bundle.build(tmp_path / "b") == first
    sent = {p.relative_to(tmp_path / "a").as_posix() for p in (tmp_path / "a").rglob("*") if p.is_file()}
    assert {"jobs/score_reviews.py", "conf/base/score_reviews.yaml", "shopbatch/cli.py"} <= sent
    assert not {p for p in sent if "__pycache__" in p or p == "notes.txt"}
    with pytest.raises(UserError, match="only files of conf/ travel"):
        bundle.build(tmp_path / "c", named=[project / "notes.txt"])
    (project / "conf" / "prompts" / "describe.en.md").write_text("Other.", "utf-8")
    assert bundle.build(tmp_path / "d") != first


def test_records_are_read_by_attempt_and_a_run_that_left_work_is_not_done(tmp_path: Path) -> None:
    root, name = str(tmp_path), "score_reviews-20261122-0123456789ab"
    assert read_records(root, name) == {}
    write_record(root, name, 2, '{"exit_code":0}')
    assert read_records(root, name) == {2: {"exit_code": 0}}
    ended = {"exit_code": 0, "outcome": "published", "rows": {"pending": 0}}
    assert done(Attempt(name, 1, ended)) and done(Attempt(name, 1, ended | {"rows": {}}))
    for left in ({"outcome": "incomplete"}, {"rows": {"pending": 3}}, {"exit_code": 3}):
        assert not done(Attempt(name, 1, ended | left))


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
    monkeypatch.setattr("shopbatch.runs.environment.MATTER", ("xxhash",))
    monkeypatch.setattr("shopbatch.runs.environment.installed", lambda package: "0.1")
    monkeypatch.setenv("SHOPBATCH_HOME", str(config.root()))
    assert job.main("score_reviews", [*words, "3"]) == 2
    assert "xxhash 0.1 (locked: " in capsys.readouterr().err
