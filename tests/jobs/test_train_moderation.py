"""train_moderation: learnt from example files and reviews, refused if it finds too little, then used by the job."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from shopbatch.capabilities.moderation.model import NAME, ModerationModel
from shopbatch.models import registry
from shopbatch.warehouse.store import Store
from tests.inference import toy
from tests.jobs.command_line import messages, run_job

pytestmark = pytest.mark.usefixtures("ray_local")
QUICK = ("engine={kind: fake}", "workers=1", "examples.wordings=1", "fit.penalty=[100]", "fit.folds=2", "fit.steps=15")


def test_a_model_is_published_used_and_not_made_twice(store: Store, tmp_path: Path) -> None:
    toy.put(
        store, [{"review_id": str(n), "text": f"The lamp number {n} is bright and quite lovely."} for n in range(40)]
    )
    code, report, err = run_job(store, "train_moderation", *QUICK, "gates.recall=1.0")
    assert code == 3 and "gates.recall" in messages(err)[-1]
    assert registry.find_live(f"{store.root}/_models", NAME) is None
    code, report, _ = run_job(store, "train_moderation", *QUICK, "gates.recall=0.1")
    assert (code, report["outcome"]) == (0, "published")
    quality = report["metrics"]["quality"]
    assert quality["all"]["recall"] > 0.2 and quality["all"]["false_alarms"] <= 0.04  # the lists alone tell that much
    live = registry.find_live(f"{store.root}/_models", NAME)
    assert live is not None and "rule.threat" in ModerationModel.load(live.path).traits
    code, report, _ = run_job(store, "train_moderation", *QUICK, "gates.recall=0.1")
    assert (code, report["outcome"]) == (0, "nothing to do")

    (tmp_path / "threat.en.txt").write_text("The gnomes will come for you\n", "utf-8")
    code, report, _ = run_job(
        store, "train_moderation", *QUICK, "gates.recall=0.1", f"examples.own=[{tmp_path}/threat.en.txt]"
    )
    assert (code, report["outcome"]) == (0, "published")
    code, _, err = run_job(store, "train_moderation", *QUICK, "examples.own=[/nowhere.txt]")
    assert code == 2 and "examples.own" in messages(err)[-1]


def test_the_job_says_what_it_found_with(store: Store) -> None:
    toy.put(store, [{"review_id": "1", "text": "I will burn your shop down."}, {"review_id": "2", "text": "Lovely."}])
    for engine, said in (("null", "the lists alone"), ("{kind: fake}", "the lists and the model")):
        code, report, _ = run_job(store, "moderate_reviews", f"engine={engine}", "gates.accept_recipe=any")
        assert (code, report["metrics"]["found with"]) == (0, said)
        assert dict(pl.read_delta(store.uri("review_moderation")).select("review_id", "action").rows()) == {
            "1": "hold",
            "2": "publish",
        }
    rules = pl.read_delta(store.uri("review_moderation")).filter(review_id="1")["findings"].item()
    assert {found["rule"].split()[0] for found in rules} >= {"model"}
