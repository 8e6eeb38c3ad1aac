"""train_sentiment_head, then score_reviews with its model: the whole way by real engines, on a tiny random encoder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from shopbatch.cli import main as cli
from shopbatch.models import registry
from shopbatch.warehouse.store import Store
from tests.engines import tiny
from tests.inference import toy
from tests.jobs.command_line import messages
from tests.models.canaries import EMAIL, TEXT, assert_clean

pytestmark = pytest.mark.usefixtures("ray_local")
GOOD = ("lovely", "great", "soft", "perfect", "warm")
BAD = ("awful", "torn", "cheap", "scratchy", "refund")


def labelled(store: Store, count: int = 900) -> None:
    """Reviews whose words tell the label, with one content that has two labels and one that is repeated."""
    rows: list[dict[str, Any]] = []
    for i in range(count):
        words, rating = ((GOOD, 5), (BAD, 1), ((*GOOD, *BAD), 3))[i % 3]
        picked = " ".join(words[(i * k) % len(words)] for k in range(1, 5))
        more = f" {TEXT}" if i % 150 == 0 else ""
        text = f"this is {picked} and that is all of it, item {i}{more}"
        rows.append({"review_id": f"r{i}", "text": text, "rating": rating, "source": ("coats", "books")[i % 2]})
    rows += [{"review_id": f"two{r}", "text": "both ways", "rating": r} for r in (1, 5)]
    rows += [{"review_id": "unrated", "text": "no rating here"}]
    toy.put(store, toy.reviews(rows))


def call(capsys: pytest.CaptureFixture[str], job: str, *arguments: str) -> tuple[int, dict[str, Any], str]:
    capsys.readouterr()
    code = cli.main(["run", job, *arguments])
    out, err = capsys.readouterr()
    return code, json.loads(out.splitlines()[-1]) if out.strip() else {}, err


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_train_and_score(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], engine: str
) -> None:
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", store.root)
    labelled(store)
    folder = tiny.build(tmp_path / EMAIL, prefix="query: ", layers=[1, 3], pooling=["mean", "max"])
    precise = "engine.precision=fp32" if engine == "openvino" else "engine.dtype=float32"
    engines = [f"engine.kind={engine}", "engine.max_tokens=48", precise]
    training = [f"encoder={folder}", "examples.min_rows=50", "workers=1", *engines]
    code, report, err = call(capsys, "train_sentiment_head", *training)
    assert code == 0, err
    quality = report["metrics"]["quality"]["en"]
    assert quality["accuracy"]["value"] > quality["baselines"]["majority"]["accuracy"] + 0.2
    assert quality["accuracy"]["low"] <= quality["accuracy"]["value"] <= quality["accuracy"]["high"]
    left_out = report["metrics"]["left_out"]["en"]
    assert set(left_out) == set(quality["domains"]) == {"coats", "books"}
    assert all(figures["balanced_accuracy"]["value"] > 0.7 for figures in left_out.values())
    split = {k: quality[f"{k}_rows"] for k in ("train", "val", "test")}
    assert sum(split.values()) == 900  # neither the content with two labels nor the one without
    assert split["train"] > 5 * split["val"] > 0
    assert_clean(f"{store.root}/_models")
    live = registry.find_live(f"{store.root}/_models", "sentiment")
    assert live is not None and len(set(live.manifest["rows"])) == split["train"]

    code, again, _ = call(capsys, "train_sentiment_head", *training)
    assert (code, again["outcome"], again["models"]) == (0, "nothing to do", report["models"])

    code, scored, err = call(capsys, "score_reviews", "windows=1", *engines)
    assert code == 0, err
    assert scored["models"]["head"] == report["models"]["sentiment"]
    assert scored["metrics"]["quality"]["en"]["accuracy"] == quality["accuracy"]
    assert (scored["engine"]["kind"], scored["rows"]["published"]) == (engine, 903)
    rated = pl.read_delta(store.uri("review_sentiment")).join(
        pl.read_delta(store.uri("reviews")).select("review_id", "rating"), on="review_id"
    )
    means = dict(rated.group_by("rating").agg(pl.mean("p_positive")).iter_rows())
    assert means[5] > means[3] > means[1]
    code, second, _ = call(capsys, "score_reviews", "windows=1", *engines)
    assert (code, second["outcome"], second["rows"]["computed"]) == (0, "nothing to do", 0)
    refuse_damage(store, capsys, engines)


def refuse_damage(store: Store, capsys: pytest.CaptureFixture[str], engines: list[str]) -> None:
    """A head with a flipped bit, one cut short, and a pickle are refused by name: exit 2, one line, table untouched."""
    version = store.snapshot("review_sentiment").version
    model = registry.resolve(f"{store.root}/_models", "sentiment@live")
    weights = Path(model.path) / "head.safetensors"
    whole = weights.read_bytes()
    for damaged in (whole[:-1] + bytes([whole[-1] ^ 1]), whole[:100]):
        weights.write_bytes(damaged)
        code, report, err = call(capsys, "score_reviews", "windows=1", *engines)
        assert (code, report, len(messages(err))) == (2, {}, 1)
        assert "head.safetensors" in err
    weights.write_bytes(whole)
    copy = Path(store.root) / "copy"
    shutil.copytree(model.path, copy)
    (copy / "pytorch_model.bin").write_bytes(b"\x80\x04N.")
    code, _, err = call(capsys, "score_reviews", "windows=1", *engines, f"model={copy}")
    assert (code, "pytorch_model.bin" in err, len(messages(err))) == (2, True, 1)
    assert store.snapshot("review_sentiment").version == version


def test_mistakes(store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", store.root)
    code, _, err = call(capsys, "train_sentiment_head", "encoder=/nowhere")
    assert (code, "no table 'reviews'" in err) == (2, True)
    labelled(store, 60)
    code, _, err = call(capsys, "train_sentiment_head", "encoder=/nowhere")
    assert (code, "/nowhere" in err, len(messages(err))) == (2, True, 1)
    code, _, err = call(capsys, "score_reviews")
    assert (code, "train_sentiment_head" in err, len(messages(err))) == (2, True, 1)
