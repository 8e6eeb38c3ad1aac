"""train_cascade, then score_reviews with it: who answered is in the row, and the large model's answers are its own."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from shopbatch.capabilities.sentiment.cascade.model import Cascade
from shopbatch.cli import main as cli
from shopbatch.models import registry
from shopbatch.warehouse.store import Store
from tests.engines import tiny
from tests.jobs.command_line import messages, run_job
from tests.jobs.test_train_sentiment_head import labelled

pytestmark = pytest.mark.usefixtures("ray_local")
ENGINE = ["engine.kind=torch", "engine.max_tokens=48"]
# what a few hundred reviews and a random encoder cannot show
LOOSE = ["gates.speed=0", "gates.ece=1", "gates.bias=1", "gates.answered=0.05"]
# so weak a head that it is often wrong, though the reviews of this test are easy
WEAK = ["epochs=0", "head.l2=[3e4]", "head.language_l2=3e4"]
FITTED = ["min_rows=50", "workers=1", "examples.min_rows=50", "speed_rounds=1", "speed_texts=8", *ENGINE]


def scores(store: Store) -> pl.DataFrame:
    return pl.read_delta(store.uri("review_sentiment")).sort("review_id")


def test_the_small_model_answers_where_it_is_sure(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    labelled(store)
    folder = tiny.build(tmp_path / "tiny", prefix="query: ", layers=[1, 3], pooling=["mean"])
    head = [f"encoder={folder}", "examples.min_rows=50", "workers=1", *ENGINE]
    assert run_job(store, "train_sentiment_head", *head)[0] == 0
    code, alone, err = run_job(store, "score_reviews", "windows=1", *ENGINE)
    assert code == 0, err
    large = scores(store)
    assert large["answered_by"].null_count() == large.height

    there = sorted(p.parent for p in Path(store.root, "_models").rglob("manifest.json"))
    code, report, err = run_job(store, "train_cascade", *FITTED, "agreement=0.8", *LOOSE[1:], "gates.speed=1000")
    assert (code, report["outcome"]) == (3, "refused"), err
    assert "gates.speed" in err and registry.find_live(f"{store.root}/_models", "sentiment-cascade") is None
    assert sorted(p.parent for p in Path(store.root, "_models").rglob("manifest.json")) == there, (
        "nothing is left of it"
    )

    code, report, err = run_job(store, "train_cascade", *FITTED, *WEAK, "agreement=0.8", *LOOSE)
    assert (code, report["outcome"]) == (0, "published"), err
    figures = report["metrics"]["chosen on"]["en"]
    assert 0.05 < figures["answered"] < 1 and figures["agreement"]["value"] >= 0.8
    assert report["metrics"]["bounds"][0]["other"] > 1  # no language but English has enough reviews
    live = registry.find_live(f"{store.root}/_models", "sentiment")
    assert live is not None and live.digest == alone["models"]["head"]  # it is still what it was

    use = ["windows=1", "cascade=sentiment-cascade@live", "gates.accept_recipe=any", "gates.drift=1", *ENGINE]
    code, scored, err = run_job(store, "score_reviews", *use)
    assert (code, scored["rows"]["published"]) == (0, 903), err
    assert scored["models"]["cascade"] == report["models"]["cascade"] and scored["recipe"] != alone["recipe"]
    both = scores(store)
    cascade = Cascade.load(Path(store.root, "_models", "sentiment-cascade", report["models"]["cascade"][:12]))
    step_model, large_model = cascade.steps[0].model, cascade.large
    counts = dict(both.group_by("answered_by").len().iter_rows())
    assert set(counts) == {step_model, large_model} and sum(counts.values()) == 903
    joined = both.join(large, on="review_id", suffix="_alone")
    theirs = joined.filter(pl.col("answered_by") == large_model)
    assert ((theirs["p_positive"] - theirs["p_positive_alone"]).abs() < 1e-5).all()
    by_step = joined.filter(pl.col("answered_by") == step_model)
    assert ((by_step["p_positive"] - by_step["p_positive_alone"]).abs() > 1e-4).any()
    assert (joined["label"] == joined["label_alone"]).mean() > 0.75
    code, second, _ = run_job(store, "score_reviews", *use)
    assert (code, second["outcome"], second["rows"]["computed"]) == (0, "nothing to do", 0)

    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", store.root)
    capsys.readouterr()
    assert cli.main(["why", "review_sentiment", by_step["review_id"][0]]) == 0
    said = capsys.readouterr().out
    assert f"for {by_step['label'][0]}" in said and step_model in said, said

    code, again, err = run_job(store, "score_reviews", "windows=1", "gates.accept_recipe=any", "gates.drift=1", *ENGINE)
    assert (code, again["recipe"], again["rows"]["computed"]) == (0, alone["recipe"], 0), err
    assert scores(store).drop("run_id", "scored_at").equals(large.drop("run_id", "scored_at"))

    code, _, err = run_job(store, "train_sentiment_head", *head, "head.steps=3", "gates.bias=1")
    assert code == 0, err
    code, _, err = run_job(store, "train_cascade", *FITTED, "layers=null")
    assert (code, "no small model" in err, len(messages(err))) == (2, True, 1), err
    code, _, err = run_job(store, "score_reviews", *use)  # its promise was about another model
    assert (code, "fitted to" in err, len(messages(err))) == (2, True, 1), err
