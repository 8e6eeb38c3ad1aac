"""train_aspects, then analyse_reviews with its model: the whole way by real engines, on a tiny random encoder."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from shopbatch.capabilities.insights.config import TrainAspectsConfig
from shopbatch.capabilities.insights.label import to_label
from shopbatch.engines.configs import TorchConfig
from shopbatch.load import load_file
from shopbatch.models import registry
from shopbatch.warehouse.store import Store
from tests.engines import tiny
from tests.inference import toy
from tests.jobs.command_line import messages, run_job

pytestmark = pytest.mark.usefixtures("ray_local")
SAID = {  # clause -> aspect, polarity; the lexicon does not know the last two
    "the dress fits well": ("size_fit", "positive"),
    "it runs small": ("size_fit", "negative"),
    "the fabric is soft": ("material", "positive"),
    "the fabric is thin": ("material", "negative"),
    "xyzzy zzz qqq is grand": ("comfort", "positive"),
    "xyzzy zzz qqq is awful": ("comfort", "negative"),
}
STARS = {"negative": 1, "positive": 5}


def reviews(store: Store) -> None:
    """Reviews of two clauses that agree in what they think; the number makes each another one."""
    draw = random.Random(0)
    rows = []
    for i in range(240):
        mood = draw.choice(list(STARS))
        parts = draw.sample([clause for clause, (_, polarity) in SAID.items() if polarity == mood], 2)
        rows.append({"review_id": f"r{i}", "text": f"{parts[0]} {i % 9}. {parts[1]} {i % 7}.", "rating": STARS[mood]})
    toy.put(store, toy.reviews(rows))


def label(store: Store, folder: Path, first: int, count: int) -> None:
    draw, rows = random.Random(first), []
    for i in range(first, first + count):
        clause = draw.choice(list(SAID))
        aspect, polarity = SAID[clause]
        same = {"sentence_id": f"s{i}", "text": f"{clause} {i % 11}.", "taxonomy": "clothing"}
        rows.append({**same, "aspect": aspect, "polarity": polarity})
    (folder / "labels.csv").write_text(pl.DataFrame(rows).write_csv(), "utf-8")
    load_file(store, "aspect_labels", str(folder / "labels.csv"))


def doubtful(store: Store) -> None:
    """The live model chooses what it is least sure of: not what it has learnt, but what it has never seen."""
    strange = {"review_id": "new", "text": "gloops of frobnitz everywhere.", "rating": 3}
    known = [{"review_id": f"k{i}", "text": f"the dress fits well {i}.", "rating": 5} for i in range(30)]
    toy.put(store, toy.reviews([*known, strange]))
    config = TrainAspectsConfig(engine=TorchConfig(max_tokens=48))
    chosen = to_label(store, config, 12, seed=0)
    assert chosen == to_label(store, config, 12, seed=0)
    assert "gloops of frobnitz everywhere." in [each.text for each in chosen[:8]]  # one of each aspect in turn
    reviews(store)


def test_train_and_analyse(store: Store, tmp_path: Path) -> None:
    reviews(store)
    folder = tiny.build(tmp_path / "tiny", prefix="query: ", layers=[1, 3])
    engine = ["engine={kind: torch, max_tokens: 48}"]
    fit = "fit={l2: [0.001], label_weight: [10], folds: 3, steps: 40}"
    command = ["train_aspects", f"encoder={folder}", fit, *engine]

    code, report, err = run_job(store, *command)
    assert code == 3 and "gates.min_labels" in err and "shopbatch label" in err
    assert registry.find_live(f"{store.root}/_models", "aspects") is None

    label(store, tmp_path, 0, 150)
    code, report, err = run_job(store, *command)
    assert code == 0, err
    quality, labels = report["metrics"]["quality"]["clothing"], report["metrics"]["labels"]
    assert quality["labelled"] == 150 and quality["aspects"]["comfort"]["f1"] > 0.9  # only people knew these words
    assert quality["macro_f1"]["value"] > quality["baselines"]["lexicon alone"]["macro_f1"]["value"] + 0.2
    assert labels["above_lexicon"]["low"] > 0 and labels["polarity_accuracy"] > 0.9
    live = registry.find_live(f"{store.root}/_models", "aspects")
    assert live is not None and live.manifest["encoder"].startswith("tiny@") and len(live.manifest["rows"]) > 150
    assert sum(map(sum, live.manifest["errors"]["clothing"].values())) > 100, "which summarise_reviews corrects by"

    code, again, _ = run_job(store, *command)
    assert (code, again["outcome"], again["models"]["aspects"]) == (0, "nothing to do", report["models"]["aspects"])

    code, analysed, err = run_job(store, "analyse_reviews", *engine)
    assert code == 0, err
    assert analysed["models"]["aspects"] == report["models"]["aspects"]
    rows = pl.read_delta(store.uri("review_aspects")).explode("aspects").unnest("aspects")
    spoken = rows.join(pl.read_delta(store.uri("reviews")).select("review_id", stars="rating"), on="review_id")
    right = (pl.col("polarity") == "positive") == (pl.col("stars") == 5)
    assert spoken.select(right.mean()).item() > 0.9
    places: list[tuple[Any, ...]] = list(rows.select("review_id", "aspect", "start", "end").iter_rows())
    texts = dict(pl.read_delta(store.uri("reviews")).select("review_id", "text").iter_rows())
    known = {clause: aspect for clause, (aspect, _) in SAID.items()}
    hits = [known[texts[r][a:b].rstrip(". 0123456789")] == aspect for r, aspect, a, b in places]
    assert sum(hits) > 0.95 * len(hits)

    doubtful(store)

    label(store, tmp_path, 150, 60)  # the live model is judged by the sentences that it did not learn from
    code, more, err = run_job(store, *command)
    assert code == 0, err
    gate = next(g for g in more["gates"] if "live" in g["name"])
    assert gate["passed"] and "60 sentences new to it" in gate["detail"]


def test_mistakes(store: Store, tmp_path: Path) -> None:
    code, _, err = run_job(store, "train_aspects", "encoder=/nowhere")
    assert (code, "no table 'reviews'" in err) == (2, True)
    reviews(store)
    code, _, err = run_job(store, "train_aspects", "taxonomies=[cloths]")
    assert (code, "clothing" in err, len(messages(err))) == (2, True, 1)
    folder = tiny.build(tmp_path / "tiny")
    code, _, err = run_job(
        store, "train_aspects", f"encoder={folder}", "taxonomies=[clothing, hotels]", "engine={kind: torch}"
    )
    assert (code, "no review is clearly about hotels" in err, len(messages(err))) == (2, True, 1)
