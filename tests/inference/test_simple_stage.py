"""A job that is one function, from end to end: no engine, no model, and what was computed once is kept."""

from __future__ import annotations

import polars as pl
import pyarrow as pa
import pytest

from shopbatch.inference.config import InferenceConfig
from shopbatch.inference.run import run_inference
from shopbatch.inference.spec import Spec
from shopbatch.inference.stage import check_content
from shopbatch.runs.report import Report
from shopbatch.warehouse.store import Store
from tests.inference import simple, toy

ROWS = [
    {"review_id": "a", "title": "Nice", "text": "fits well", "language": "en"},
    {"review_id": "b", "text": "one two three four five six"},
    {"review_id": "c", "text": " "},
    {"review_id": "d", "text": b"caf\xe9"},
    {"review_id": "e", "title": "Nice", "text": "fits well", "language": "de"},
]


def run(store: Store, spec: Spec) -> Report:
    report = Report(job=spec.job)
    run_inference(spec, InferenceConfig.model_validate({"gates": {"reject_share": 1.0}, "workers": 1}), store, report)
    return report


@pytest.mark.usefixtures("ray_local")
def test_a_function_is_a_job(store: Store) -> None:
    toy.put(store, ROWS)
    report = run(store, simple.spec(drift_columns=None))
    assert report.outcome == "published" and report.engine is not None and report.engine.kind == "none"
    rows = pl.read_delta(store.uri("review_words")).sort("review_id")
    columns = ["review_id", "language", "words", "length"]
    want = [("a", "en", 3, "short"), ("b", None, 6, "long"), ("e", "de", 3, "short")]
    assert rows.select(columns).rows() == want
    rejects = pl.read_delta(store.uri("review_words_rejects")).sort("review_id")
    assert rejects.select("review_id", "reason").rows() == [("c", "empty"), ("d", "invalid_utf8")]
    assert (report.rows.distinct, report.rows.computed) == (2, 2) and len(report.samples) == 2
    assert "drift" not in {gate.name for gate in report.gates} and report.metrics["mix"] == {}
    again = run(store, simple.spec(drift_columns=None))
    assert again.outcome == "nothing to do" and again.rows.computed == 0


def test_contents_of_any_type_are_checked() -> None:
    names = pa.array([["a"], [], None, ["x"]])
    numbers = pa.array([None, None, None, 3])
    texts = pa.array([None, " ", "\u200b", "y" * 11])
    maps = pa.array([[], [], None, [("a", "b")]], pa.map_(pa.string(), pa.string()))
    content = pa.table({"names": names, "numbers": numbers, "texts": texts, "maps": maps})
    assert check_content(content, 10).to_pylist() == [None, "empty", "empty", "too_long"]
    raw = pa.array([b"ok", b"\xff", None, b"fine"], pa.binary())
    bad = pa.Array.from_buffers(pa.string(), 4, raw.buffers(), raw.null_count)
    lists = pa.ListArray.from_arrays(pa.array([0, 1, 2, 3, 4]), bad)
    assert check_content(pa.table({"names": lists}), 10).to_pylist() == [None, "invalid_utf8", None, None]
