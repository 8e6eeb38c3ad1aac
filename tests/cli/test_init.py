"""`shopbatch init`: a folder and a warehouse of a shop's own, and what a command says about where the warehouse is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from shopbatch.capabilities.sentiment import model as sentiment
from shopbatch.capabilities.sentiment.config import ScoreReviewsConfig
from shopbatch.capabilities.sentiment.head import SentimentHead
from shopbatch.cli import main as cli
from shopbatch.core import config
from shopbatch.models import e5_small, erasure, registry
from shopbatch.models.folder import digest, read_manifest, verify
from shopbatch.runs import declaration
from shopbatch.warehouse.store import Store

ENCODER = "e5-small"
Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder is empty, and no variable names another one."""
    for name in ("SHOPBATCH_HOME", "SHOPBATCH_WAREHOUSE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def weights(value: float) -> Callable[[Path], None]:
    return lambda folder: save_file({"w": np.full(3, value, np.float32)}, folder / "model.safetensors")


@pytest.fixture
def small_encoder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The shipped head names an encoder of a few bytes, which is built as the real one of half a gigabyte is."""
    monkeypatch.setattr(e5_small, "build", weights(1))
    reference = registry.publish(str(tmp_path / "elsewhere"), ENCODER, weights(1)).reference
    shipped = SentimentHead.load(sentiment.SHIPPED)
    head = registry.publish(
        str(tmp_path / "elsewhere"),
        "sentiment",
        SentimentHead(shipped.languages, shipped.weights, shipped.bias, shipped.temperature, reference).save,
        encoder=reference,
    )
    monkeypatch.setattr(sentiment, "SHIPPED", Path(head.path))


def live(warehouse: Path) -> dict[str, str]:
    return {m["name"]: m["digest"] for m, is_live in registry.listed(f"{warehouse}/_models") if is_live}


def test_the_shipped_head_is_whole_small_and_says_what_it_was_trained_on() -> None:
    manifest = read_manifest(str(sentiment.SHIPPED), "shipped")
    verify(sentiment.SHIPPED, manifest["files"], "shipped")
    assert manifest["digest"] == digest(manifest["files"])
    assert sum(path.stat().st_size for path in sentiment.SHIPPED.iterdir()) < 200_000
    head = SentimentHead.load(sentiment.SHIPPED)
    assert head.languages == ("other", "en", "zh") and head.encoder == manifest["encoder"]
    assert {each["licence"] for each in manifest["data"]} == {"CC0", "MIT"} and "MIT" in manifest["licence"]
    for figures in manifest["metrics"].values():
        assert figures["train_rows"] > 5000 and figures["test_rows"] > 2000
        assert figures["accuracy"]["low"] > figures["baselines"]["majority"]["accuracy"]


@pytest.mark.usefixtures("small_encoder")
def test_a_folder_is_made_once_and_init_again_changes_nothing(empty_folder: Path, capsys: Capture) -> None:
    assert cli.main(["init", "myshop"]) == 0
    out = capsys.readouterr().out.splitlines()
    home = empty_folder / "myshop"
    assert out[-3:][0].strip() == "cd myshop" and out[-1].split() == ["shopbatch", "run", "score_reviews"]
    assert f"warehouse: {home}/.warehouse (from {home}/conf/local/platform.yaml)" in out
    assert set(live(home / ".warehouse")) == {ENCODER, "sentiment"}
    (home / "conf/local/platform.yaml").write_text("warehouse: mine\n")
    before = sorted(p for p in empty_folder.rglob("*") if p.is_file())
    assert cli.main(["init", "myshop"]) == 0
    again = capsys.readouterr().out
    assert "platform.yaml: is there already" in again and f"warehouse: {home}/mine" in again
    assert (home / "conf/local/platform.yaml").read_text() == "warehouse: mine\n"
    assert [p for p in before if not p.is_file()] == []
    assert cli.main(["init", "myshop"]) == 0
    assert capsys.readouterr().out.count("is there already") == 4  # two files, two models


@pytest.mark.usefixtures("small_encoder")
def test_the_variable_alone_makes_only_that_warehouse(
    empty_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", str(tmp_path / "w"))
    assert cli.main(["init"]) == 0
    assert list(empty_folder.iterdir()) == [] and set(live(tmp_path / "w")) == {ENCODER, "sentiment"}
    for command in (["tables"], ["doctor"]):
        cli.main(command)
        assert f"warehouse: {tmp_path / 'w'} (from SHOPBATCH_WAREHOUSE)" in capsys.readouterr().err
    cli.main(["doctor", "score_reviews", f"platform.warehouse={tmp_path / 'v'}"])
    assert f"warehouse: {tmp_path / 'v'} (from platform.warehouse=...)" in capsys.readouterr().err


def test_models_of_another_warehouse_come_with_their_encoders_and_what_is_live_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    source, target = Store(str(tmp_path / "source")), Store(str(tmp_path / "target"))
    models = f"{source.root}/_models"
    encoder = registry.publish(models, "ours", weights(2), live=False)
    rows = erasure.keyed(source, ["r1"])
    head = registry.publish(models, "sentiment", weights(3), encoder=encoder.reference, rows=rows)
    registry.publish(models, "old", weights(4), live=False)
    theirs = registry.publish(models, "tagger", weights(5))
    own = registry.publish(f"{target.root}/_models", "tagger", weights(6))
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", target.root)
    assert cli.main(["init", "--models-from", source.root]) == 0
    assert live(Path(target.root)) == {"sentiment": head.digest, "tagger": own.digest} and own.digest != theirs.digest
    copied = registry.resolve(f"{target.root}/_models", encoder.reference)
    assert copied.digest == encoder.digest
    assert registry.find_live(f"{target.root}/_models", "old") is None
    assert erasure.keyed(target, ["r1"]) == rows  # the copied manifest still names its rows
    capsys.readouterr()
    assert cli.main(["init", "--models-from", str(tmp_path / "nothing")]) == 2
    assert "no models there" in capsys.readouterr().err


def test_a_folder_holds_only_what_differs_from_the_package(empty_folder: Path) -> None:
    def put(name: str, tree: dict[str, Any]) -> None:
        (empty_folder / name).parent.mkdir(parents=True, exist_ok=True)
        (empty_folder / name).write_text(json.dumps(tree))

    def load() -> ScoreReviewsConfig:
        return config.load(ScoreReviewsConfig, "score_reviews", "local", [])

    assert config.root() == config.packaged()
    (empty_folder / "conf").mkdir()
    assert config.root() == config.packaged()  # a folder of that name alone may be anybody's
    put("conf/local/platform.yaml", {"warehouse": "w"})
    assert config.root() == empty_folder and load().platform.warehouse == "w"
    assert (load().model, load().gates.accept_recipe) == ("sentiment@live", "any")
    put("conf/base/score_reviews.yaml", {"gates": {"drift": 0.7}, "engine": {"max_tokens": 99}})
    gates, engine = load().gates, load().engine
    assert (gates.drift, gates.reject_share, gates.accept_recipe) == (0.7, 0.01, "any")
    assert engine.model_dump()["max_tokens"] == 99 and engine.kind == "openvino"
    put("conf/local/score_reviews.yaml", {"gates": {"drift": 0.8}})
    assert load().gates.drift == 0.8
    assert "score_reviews" in declaration.names() and declaration.find("score_reviews").name == "score_reviews"
    assert config.read_text("conf/prompts/describe.en.md")
    (empty_folder / "conf/prompts").mkdir()
    (empty_folder / "conf/prompts/describe.en.md").write_text("Ours.")
    assert config.read_text("conf/prompts/describe.en.md") == "Ours."
    assert config.read_text("conf/prompts/describe.zh.md")
