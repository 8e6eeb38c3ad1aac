"""score_reviews as a user runs it, with the fake engine: arguments in; exit code, last line and tables out.

The first run is made once; a test that begins with a published table works on a copy of that warehouse.
"""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from shopbatch.capabilities.sentiment.head import SentimentHead
from shopbatch.cli import main as cli
from shopbatch.models import registry
from shopbatch.runs import job
from shopbatch.tables.reviews import REVIEWS
from shopbatch.warehouse.store import Store
from tests.engines import tiny
from tests.inference import toy
from tests.jobs.command_line import messages, run_job

pytestmark = pytest.mark.usefixtures("ray_local")
Run = Callable[..., tuple[int, dict[str, Any], str]]


@pytest.fixture
def run(store: Store) -> Run:
    """Run the job with the fake engine on the test's own warehouse."""
    return lambda *arguments, name="score_reviews": run_job(store, name, "engine.kind=fake", *arguments)


def some_reviews(store: Store) -> None:
    rows = [{"review_id": f"r{i}", "product_id": "p1", "text": f"text {i % 80}", "language": "en"} for i in range(100)]
    rows += [{"review_id": "no-text", "text": None}, {"review_id": "zh", "text": "很好，我喜欢"}]
    toy.put(store, toy.reviews(rows))


@dataclass(frozen=True)
class Scored:
    """A warehouse whose reviews are scored, and what that run said."""

    store: Store
    code: int
    report: dict[str, Any]


@pytest.fixture(scope="module")
def scored(ray_local: None, tmp_path_factory: pytest.TempPathFactory) -> Scored:
    store = Store(str(tmp_path_factory.mktemp("scored") / "warehouse"))
    some_reviews(store)
    code, report, _ = run_job(store, "score_reviews", "engine.kind=fake")
    return Scored(store, code, report)


@pytest.fixture
def scored_copy(scored: Scored, store: Store) -> Scored:
    """Copies the scored warehouse to the test's own `store`."""
    shutil.copytree(scored.store.root, store.root)
    return scored


def test_a_first_run_publishes_and_a_second_has_nothing_to_do(
    store: Store, run: Run, scored_copy: Scored, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, report = scored_copy.code, scored_copy.report
    assert (code, report["outcome"], report["exit_code"]) == (0, "published", 0)
    counted = {k: report["rows"][k] for k in ("read", "distinct", "computed", "published", "rejected", "pending")}
    assert counted == {"read": 102, "distinct": 81, "computed": 81, "published": 101, "rejected": 1, "pending": 0}
    assert report["rejects"] == {"empty": 1}
    table = pl.read_delta(store.uri("review_sentiment"))
    assert table.height == table["review_id"].n_unique() == 101
    assert table.filter(pl.col("review_id") == "zh")["language"].item() == "zh"
    total = table.select(pl.sum_horizontal("p_negative", "p_neutral", "p_positive"))["p_negative"]
    assert ((total - 1).abs() < 1e-5).all()
    folder = Path(store.root) / "_runs" / "score_reviews" / report["run_id"]
    assert json.loads((folder / "report.json").read_text())["rows"] == report["rows"]
    assert "review_sentiment" in (folder / "report.html").read_text()
    code, second, _ = run()
    assert (code, second["outcome"], second["rows"]["computed"]) == (0, "nothing to do", 0)
    assert second["unit"] == "reviews" and list(second["links"].values()) == ["merchant.html", "products.csv"]
    table = (folder / "products.csv").read_bytes()  # the same tables make the same file in every run
    assert table == (folder.with_name(second["run_id"]) / "products.csv").read_bytes()
    rows = [(row["product_id"], row["reviews"]) for row in csv.DictReader(io.StringIO(table.decode("utf-8-sig")))]
    assert rows == [("p1", "100"), ("", "1")]
    capsys.readouterr()
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", store.root)
    assert cli.main(["report", "score_reviews"]) == 0
    printed = dict(line.split(": ") for line in capsys.readouterr().out.splitlines())
    assert [Path(p).name for p in printed.values()] == ["report.html", "merchant.html", "products.csv"]
    assert next(iter(printed)) == "report" and all(Path(p).is_file() for p in printed.values())
    assert second["tables"]["review_sentiment"] == {"read": report["tables"]["review_sentiment"]["written"]}


def test_a_refusing_gate_ends_with_3_and_leaves_the_table(store: Store, run: Run, scored_copy: Scored) -> None:
    before = store.snapshot("review_sentiment")
    toy.put(
        store, toy.reviews([{"review_id": f"r{i}", "text": "x" * 200_000 if i < 5 else f"new {i}"} for i in range(9)])
    )
    code, report, err = run("gates.min_rejects=5", "gates.rows=any")
    assert (code, report["outcome"]) == (3, "refused")
    assert "gate 'rejects': 5 of 9 rows" in err and report["run_id"] in err
    assert [g["name"] for g in report["gates"] if not g["passed"]] == ["rejects"]
    assert store.snapshot("review_sentiment").version == before.version
    code, report, _ = run("gates.reject_share=0.9", "gates.min_rejects=5", "gates.rows=any")
    assert (code, report["rows"]["computed"], report["rows"]["published"]) == (0, 0, 4)


def test_a_budget_stops_with_4_before_any_work(store: Store, run: Run) -> None:
    some_reviews(store)
    code, report, err = run("budget.max_rows=10")
    assert (code, report["outcome"]) == (4, "stopped")
    assert "81 contents" in err
    assert not store.exists("review_sentiment")
    code, report, _ = run("budget.max_rows=10", "limit=10")
    assert (code, report["rows"]["computed"]) == (0, 10)


def break_key(store: Store) -> None:
    write_deltalake(store.uri("reviews"), pa.table({"id": ["a"], "title": ["t"], "text": ["x"]}))


def break_type(store: Store) -> None:
    columns = {c.name: pa.array([1], pa.int64()) if c.name == "text" else pa.nulls(1, c.type) for c in REVIEWS.columns}
    write_deltalake(store.uri("reviews"), pa.table(columns))


@pytest.mark.parametrize(
    ("arguments", "prepare", "says"),
    [
        (["engin.kind=fake"], some_reviews, "did you mean 'engine'"),
        (["flush_row=1"], some_reviews, "did you mean 'flush_rows'"),
        (["limit=many"], some_reviews, "limit"),
        ([], lambda store: None, "no table 'reviews'"),
        ([], break_key, "no column 'review_id'"),
        ([], break_type, "column 'text' is int64, expected string"),
        (["--env", "stagin"], some_reviews, "no environment 'stagin'"),
    ],
)
def test_mistakes_end_with_2_and_one_line(
    store: Store, run: Run, arguments: list[str], prepare: Callable[[Store], None], says: str
) -> None:
    prepare(store)
    code, report, err = run(*arguments)
    assert (code, report) == (2, {})
    assert says in err
    assert len(messages(err)) == 1
    assert not store.exists("review_sentiment")
    assert not store.exists("score_reviews_memo")


def test_more_mistakes(store: Store, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(name="score_review")
    assert (code, "did you mean 'score_reviews'" in err) == (2, True)
    (tmp_path / "file").write_text("")
    code, _, err = run(f"platform.warehouse={tmp_path}/file/warehouse")
    assert (code, "cannot write there" in err, len(messages(err))) == (2, True, 1)
    assert cli.main(["show", "../outside"]) == 2
    assert "may not leave the warehouse" in capsys.readouterr().err


def test_the_job_file_itself_is_a_command() -> None:
    assert job.main(job.find("score_reviews"), ["--dry-run", "engine.kind=fake"]) == 0


def tiny_model(store: Store, tmp_path: Path) -> str:
    """Publish a tiny random sentiment model; returns the registry."""
    models = f"{store.root}/_models"
    source = tiny.build(tmp_path / "tiny", layers=[1], pooling=["mean"])
    encoder = registry.publish(models, "tiny", lambda folder: shutil.copytree(source, folder, dirs_exist_ok=True))
    weights = np.random.default_rng(0).normal(size=(1, tiny.HIDDEN, 3)).astype(np.float32)
    head = SentimentHead(("en",), weights, np.zeros((1, 3), np.float32), np.ones(1, np.float32), encoder.reference)
    registry.publish(models, "sentiment", head.save)
    return models


def test_windows_compute_long_texts_only_and_a_dry_run_says_what_they_cost(
    store: Store, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_model(store, tmp_path)
    texts = ["short and warm", "soft", "good " * 7, "torn at the seam " * 9 + "lovely", "x" * 300]  # 35 bytes fit
    toy.put(store, toy.reviews([{"review_id": f"r{i}", "text": text} for i, text in enumerate(texts)]))
    engine = ("engine.kind=torch", "engine.max_tokens=40")
    code, first, err = run(*engine, "windows=1")
    assert (code, first["rows"]["computed"]) == (0, 5), err
    cut = pl.read_delta(store.uri("review_sentiment")).sort("review_id")
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", store.root)
    capsys.readouterr()
    assert cli.main(["run", "score_reviews", "--dry-run", *engine]) == 0
    estimate = json.loads(capsys.readouterr().out.splitlines()[-1])["estimate"]
    assert (estimate["reviews"], estimate["sampled"], estimate["long_share"]) == (5, 5, 0.4)
    code, second, err = run(*engine, "gates.accept_recipe=any")
    assert (code, second["rows"]["computed"], second["rows"]["published"]) == (0, 2, 5), err
    memo = pl.read_delta(store.uri("score_reviews_memo"))
    assert dict(memo.group_by("recipe").len().iter_rows()) == {first["recipe"]: 5, second["recipe"]: 5}
    read = dict(memo.group_by("recipe").agg(pl.sum("tokens")).iter_rows())
    assert read[first["recipe"]] == estimate["tokens_if_cut"]
    assert read[second["recipe"]] == pytest.approx(estimate["tokens"], abs=10)
    windowed = pl.read_delta(store.uri("review_sentiment")).sort("review_id")
    assert all(cut["p_positive"][i] == windowed["p_positive"][i] for i in range(3))
    assert cut["p_positive"][3] != windowed["p_positive"][3]
    assert [cut["run_id"][i] != windowed["run_id"][i] for i in range(5)] == [False, False, False, True, True]


def test_why_names_the_words_that_speak_for_a_label(
    store: Store, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    models = tiny_model(store, tmp_path)
    toy.put(store, toy.reviews([{"review_id": "r1", "title": "Nice", "text": "soft and warm", "language": "en"}]))
    code, report, _ = run("engine.kind=torch", "engine.max_tokens=64")
    assert (code, report["outcome"]) == (0, "published")
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", store.root)
    assert cli.main(["why", "review_sentiment", "r1"]) == 0
    said = capsys.readouterr().out
    label = store.snapshot("review_sentiment").read(["label"])["label"][0].as_py()
    shares = re.findall(r"(Nice|soft|and|warm) (\d\.\d\d)", said)
    assert sorted(word for word, _ in shares) == ["Nice", "and", "soft", "warm"], said
    sides = re.findall(r"^ +for (negative|neutral|positive) ", said, re.M)
    assert 1 <= len(sides) <= 2 and (label in sides or len(sides) == 1)
    shutil.rmtree(f"{models}/tiny")
    assert cli.main(["why", "review_sentiment", "r1"]) == 0
    assert re.search(r"words +not known: ", capsys.readouterr().out)
