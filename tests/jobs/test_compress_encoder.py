"""compress_encoder as a user runs it, on a tiny encoder: registered with its head and used, or refused and gone."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from shopbatch.engines.encoders import quantise
from shopbatch.models import registry, stored_graph
from shopbatch.models.folder import contents
from shopbatch.models.loading import load_tokenizer
from shopbatch.warehouse.store import Store
from tests.jobs.command_line import messages, run_job
from tests.jobs.test_train_sentiment_head import labelled
from tests.models import test_vocabulary as vocabularies

pytestmark = pytest.mark.usefixtures("ray_local")
NO_NNCF = importlib.util.find_spec("nncf") is None
# what a few hundred reviews and a random encoder cannot show
LOOSE = ["gates.worse=0.2", "gates.ece=0.5", "gates.agreement=0.6", "gates.bias=1", "gates.speed=0"]


@pytest.fixture
def arguments(store: Store, tmp_path: Path) -> list[str]:
    labelled(store, 600)
    folder = vocabularies.build(tmp_path / "encoder", "Unigram")
    (folder / "encoder.json").write_text(json.dumps({"layers": [1, 2], "prefix": "query: "}))
    engine = ["engine.precision=fp32", "engine.max_tokens=48"]
    return [f"encoder={folder}", "examples.min_rows=50", "workers=1", "speed_rounds=1", "speed_texts=8", *engine]


def compress(store: Store, *arguments: str) -> tuple[int, dict[str, Any], str]:
    return run_job(store, "compress_encoder", *arguments)


def test_a_cut_vocabulary_is_registered_with_a_head_and_scores_reviews(store: Store, arguments: list[str]) -> None:
    code, report, err = compress(store, *arguments, "quantise=false", *LOOSE)
    assert (code, report["outcome"]) == (0, "published"), err
    models = f"{store.root}/_models"
    encoder = registry.find_live(models, "compressed-encoder")
    assert encoder is not None and encoder.digest == report["models"]["encoder"]
    assert "candidate" not in encoder.manifest and registry.find_live(models, "sentiment") is None
    sizes = report["metrics"]["vocabulary"]
    assert 0 < sizes["size"] < sizes["size_before"] and sizes["unknown"] == sizes["unknown_before"]
    assert sizes["tokens"] >= sizes["tokens_before"] > 0
    assert sizes["texts"] == report["metrics"]["agreement"]["all"]["rows"] > 80
    assert report["metrics"]["bytes"]["result"] < report["metrics"]["bytes"]["source"]
    kept = load_tokenizer(Path(encoder.path)).get_vocab_size()
    assert kept == sizes["size"] < load_tokenizer(Path(arguments[0].removeprefix("encoder="))).get_vocab_size()
    head = f"sentiment@{report['models']['sentiment'][:12]}"
    assert report["next_command"] == f"shopbatch run score_reviews model={head}"
    code, scored, err = run_job(store, "score_reviews", f"model={head}", *arguments[-2:])
    assert (code, scored["models"]["encoder"]) == (0, encoder.digest), err
    assert scored["metrics"]["quality"] == report["metrics"]["quality"]
    published = pl.read_delta(store.uri("review_sentiment"))
    assert published["answered_by"].null_count() == published.height == 603

    code, again, _ = compress(store, *arguments, "quantise=false", *LOOSE)
    assert (code, again["outcome"]) == (0, "nothing to do")


def test_a_result_that_is_worse_is_refused_and_gone(store: Store, arguments: list[str]) -> None:
    code, report, err = compress(store, *arguments, "quantise=false", *LOOSE[:2], "gates.agreement=1", "refit=true")
    assert (code, report["outcome"]) == (3, "refused")
    assert "labels as the source's" in err and "gates.agreement" in err
    assert [g["name"] for g in report["gates"] if not g["passed"]] == ["labels as the source's, lower end"]
    names = {manifest["name"] for manifest, _ in registry.listed(f"{store.root}/_models")}
    assert names == {"encoder"}  # the source alone
    assert not [p for p in Path(store.root, "_models", "compressed-encoder").glob("*") if p.is_dir()]


def test_mistakes(store: Store, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong, says in (
        (["quantise=false", "vocabulary.prune=false"], "nothing to do"),
        (["engine={kind: torch}"], "engine.kind=openvino"),
    ):
        code, _, err = compress(store, *arguments[:-2], *wrong)
        assert (code, says in err, len(messages(err))) == (2, True, 1), err
    find = importlib.util.find_spec
    monkeypatch.setattr(quantise.importlib.util, "find_spec", lambda name: None if name == "nncf" else find(name))
    code, _, err = compress(store, *arguments)
    assert (code, "shopbatch[compress]" in err, len(messages(err))) == (2, True, 1), err
    assert not Path(store.root, "_models", "encoder").exists()  # it is noticed before anything is done


@pytest.mark.skipif(NO_NNCF, reason="NNCF is not installed: pip install 'shopbatch[compress]'")
def test_eight_bits_are_registered_and_need_no_nncf_afterwards(
    store: Store, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, report, err = compress(store, *arguments, "calibration_texts=20", *LOOSE)
    assert (code, report["outcome"]) == (0, "published"), err
    encoder = registry.find(f"{store.root}/_models", f"compressed-encoder@{report['models']['encoder'][:12]}")
    assert stored_graph.NAME in contents(Path(encoder.path))
    assert len(set(encoder.manifest["rows"])) == 20  # of the calibration texts, for the erasure of a customer
    assert os.path.getsize(Path(encoder.path) / stored_graph.NAME) < 400_000
    assert 0.6 < report["metrics"]["agreement"]["all"]["value"] <= 1
    monkeypatch.setattr(quantise.importlib.util, "find_spec", lambda name: None)
    head = f"sentiment@{report['models']['sentiment'][:12]}"
    code, scored, err = run_job(store, "score_reviews", f"model={head}", *arguments[-2:])
    assert (code, scored["rows"]["published"]) == (0, 603), err
