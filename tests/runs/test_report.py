"""What a run leaves: true numbers, valid JSON, whole files, and nothing of a customer or a secret in it."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow.fs import FileSystem

from shopbatch.runs.json_values import json_value
from shopbatch.runs.report import EngineUse, Figure, Report, Rows, new_run_id
from shopbatch.warehouse.gates import Gate


@pytest.fixture
def run() -> Report:
    """A finished run of the fake clock: index 2 s, compute 4 s twice."""
    ticks = iter([0.0, 2.0, 10.0, 14.0, 20.0, 24.0])
    report = Report("score_reviews", "run-1", config={"engine": {"kind": "fake"}}, clock=lambda: next(ticks))
    with report.stage("index") as stage:
        stage.rows = 100
    for rows in (30, 10):
        with report.stage("compute") as stage:
            stage.rows = rows
    report.rows = Rows(read=100, distinct=60, reused=20, computed=40, rejected=3, pending=0, published=97)
    report.tables = {"reviews": {"read": 3}, "review_sentiment": {"written": 5}}
    report.rejects = {"empty": 3}
    report.engine = EngineUse("fake", calls=2, tokens_in=400)
    report.gates = [Gate("reject_share", 0.03, 0.05, True, "within the budget")]
    report.finish("published", 0)
    return report


def test_the_report_says_what_happened(run: Report) -> None:
    tree = run.to_dict()
    assert (tree["job"], tree["run_id"], tree["outcome"], tree["exit_code"]) == (
        "score_reviews",
        "run-1",
        "published",
        0,
    )
    assert tree["tables"] == {"reviews": {"read": 3}, "review_sentiment": {"written": 5}}
    assert tree["rows"]["read"] == tree["rows"]["published"] + tree["rows"]["rejected"] + tree["rows"]["pending"]
    assert tree["seconds"] == {"index": 2.0, "compute": 8.0}
    assert tree["rows_per_second"] == {"index": 50.0, "compute": 5.0}
    assert tree["engine"] == {"kind": "fake", "calls": 2, "tokens_in": 400, "tokens_out": 0}
    assert tree["gates"][0]["passed"] is True
    assert tree["gates"][0]["value"] == pytest.approx(0.03)
    assert tree["started_at"] <= tree["ended_at"]


def test_a_run_that_nobody_finishes_has_failed() -> None:
    tree = Report("job").to_dict()
    assert (tree["outcome"], tree["exit_code"], tree["ended_at"]) == ("failed", 1, None)


def test_a_stage_that_raises_is_timed_and_the_error_goes_on() -> None:
    ticks = iter([1.0, 4.0])
    report = Report("job", clock=lambda: next(ticks))
    with pytest.raises(KeyError), report.stage("compute"):
        raise KeyError("x")
    assert report.to_dict()["seconds"] == {"compute": 3.0}
    assert report.to_dict()["rows_per_second"] == {}


@pytest.mark.parametrize(
    ("rows", "balanced"),
    [
        (Rows(read=3, published=1, rejected=1, pending=1), True),
        (Rows(read=3, published=1, rejected=1, pending=0), False),
        (Rows(read=3, published=3), None),
        (Rows(), None),
    ],
)
def test_rows_balance_only_when_all_are_counted(rows: Rows, balanced: bool | None) -> None:
    assert rows.balanced is balanced


def test_the_line_is_one_line_of_ascii_without_anything_customers_wrote(run: Report) -> None:
    run.samples = [{"text": "喜欢 these shoes"}]
    run.figures = [Figure("table", "t", {"columns": ["text"], "rows": [["these shoes"]]})]
    run.message = "ligne 1\nligne 2 ✓"
    line = run.line()
    assert line.isascii() and "\n" not in line
    assert "shoes" not in line
    assert json.loads(line)["message"] == "ligne 1\nligne 2 ✓"
    assert set(run.to_dict()) - set(json.loads(line)) == {"samples", "figures", "log_tail"}


def test_secrets_and_personal_data_do_not_leave(run: Report, tmp_path: Path) -> None:
    run.config = {
        "platform": {"warehouse": "s3://key:hush1@bucket/t"},
        "engine": {"api_key": "hush2", "max_tokens": 64},
    }
    run.message = "could not parse 'mail jane@example.com' with token=hush3"
    run.samples = [{"text": "call 13812345678", "inner": {"list": ["jane@example.com"]}}]
    run.figures = [Figure("table", "t", {"columns": ["text"], "rows": [["4111 1111 1111 1111"]]})]
    folder = Path(run.save(tmp_path))
    for text in (run.line(), *(path.read_text("utf-8") for path in folder.iterdir())):
        for private in ("hush", "jane@", "13812345678", "4111 1111"):
            assert private not in text
    assert run.to_dict()["config"]["engine"] == {"api_key": "[hidden]", "max_tokens": 64}
    assert run.samples[0]["text"] == "call 13812345678"  # the run's own rows are left as they are


def test_save_writes_both_files_and_nothing_else(run: Report, tmp_path: Path) -> None:
    run.samples = [{"text": "质量很好"}]
    folder = Path(run.save(tmp_path))
    assert folder == tmp_path / "_runs" / "score_reviews" / "run-1"
    assert sorted(path.name for path in folder.iterdir()) == ["report.html", "report.json"]
    text = (folder / "report.json").read_text("utf-8")
    assert json.loads(text) == run.to_dict()
    assert "质量很好" in text


def test_a_write_that_fails_leaves_the_older_report_whole(
    run: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(run.save(tmp_path))
    before = (folder / "report.json").read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    run.finish("stopped", 4)
    with pytest.raises(OSError, match="No space left"):
        run.save(tmp_path)
    assert (folder / "report.json").read_bytes() == before
    assert sorted(path.name for path in folder.iterdir()) == ["report.html", "report.json"]


def test_save_goes_through_pyarrow_file_systems(run: Report, tmp_path: Path) -> None:
    uri = run.save(f"file://{tmp_path}/shop/")
    assert uri == f"file://{tmp_path}/shop/_runs/score_reviews/run-1"
    assert json.loads((tmp_path / "shop/_runs/score_reviews/run-1/report.json").read_text())["job"] == "score_reviews"
    store, _ = FileSystem.from_uri("mock:///")
    run.save("bucket/shop", filesystem=store)
    with store.open_input_stream("bucket/shop/_runs/score_reviews/run-1/report.json") as stream:
        assert json.loads(stream.read()) == run.to_dict()


def test_a_uri_is_shown_without_its_secrets_and_options(run: Report) -> None:
    assert run.folder("s3://key:hush@bucket/t?region=x") == "s3://[hidden]@bucket/t/_runs/score_reviews/run-1"


@pytest.mark.parametrize("name", ["", "../x", "a/b", "a.b", "x=1"])
def test_a_name_that_is_no_folder_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot name a folder"):
        Report("job", name)
    with pytest.raises(ValueError, match="cannot name a folder"):
        Report(name)


def test_run_ids_differ_and_may_be_folders_of_a_table() -> None:
    ids = {new_run_id() for _ in range(50)}
    assert len(ids) == 50
    assert not any(character in run_id for run_id in ids for character in "_.=/")


def test_json_value_turns_what_jobs_use_into_json() -> None:
    values: dict[Any, Any] = {
        "float32": np.float32(0.5),
        "int64": np.int64(7),
        "bool": np.bool_(True),
        "array": np.array([[1.0, np.nan]]),
        "arrow": pa.scalar(3),
        "nan": math.nan,
        "infinity": -math.inf,
        "money": Decimal("19.90"),
        "path": Path("a/b"),
        "set": {"b", "a"},
        "gate": Gate("g", 1, 2, True),
        "surrogate": "a\ud800b",
        3: (1, 2),
    }
    tree = json_value(values)
    json.dumps(tree, allow_nan=False)
    assert tree["float32"] == 0.5 and tree["int64"] == 7 and tree["bool"] is True
    assert tree["array"] == [[1.0, None]] and tree["arrow"] == 3
    assert tree["nan"] is None and tree["infinity"] is None
    assert tree["money"] == "19.90" and tree["path"] == "a/b" and tree["set"] == ["a", "b"]
    assert tree["gate"]["name"] == "g" and tree["surrogate"] == "a?b" and tree["3"] == [1, 2]


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.floats(width=32).map(np.float32)
trees = st.recursive(
    leaves, lambda t: st.lists(t, max_size=4) | st.dictionaries(st.text(), t, max_size=4), max_leaves=12
)


@given(st.dictionaries(st.text(), trees, max_size=4))
def test_any_metrics_make_strict_json(metrics: dict[str, Any]) -> None:
    report = Report("job", "run-1", metrics=metrics)

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    assert json.loads(report.line(), parse_constant=refuse)["metrics"] == json_value(metrics)


def test_importing_the_report_loads_nothing_heavy() -> None:
    heavy = "{'matplotlib', 'numpy', 'pyarrow', 'jinja2', 'ray', 'torch'}"
    code = f"import shopbatch.runs.report, sys; sys.exit(' '.join({heavy} & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
