"""distil_encoder whole, on tiny encoders: a student that beats the cut is published, and score_reviews uses it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from shopbatch.capabilities.sentiment import train_head
from shopbatch.capabilities.sentiment.bias import gate
from shopbatch.capabilities.sentiment.distil import run as distil_run
from shopbatch.models import registry
from shopbatch.training import kept_vectors
from shopbatch.warehouse.store import Store
from tests.jobs.test_embed_products import killed
from tests.jobs.test_finetune_encoder import ENGINE, HEAD, ONE, call, curve, filled, shop, without_actors
from tests.models.canaries import assert_clean

__all__ = ["filled", "shop"]
pytestmark = pytest.mark.usefixtures("ray_local")
# the labels count, so that a student of one random layer learns something; a tiny model is no faster than another one
QUICK = [*ENGINE, "gates.bias=1", "gates.speed=0", "examples.min_rows=50", "head.counterfactual=0", "embedders=1",
         "student.layers=1", "student.label=2", "student.freeze=[]", "workers.count=1", "workers.threads=1",
         "loop.block_tokens=128", "loop.batch_blocks=8", "loop.micro_blocks=8", "loop.epochs=6", "loop.eval_steps=40",
         "loop.precision=fp32", "loop.schedule.peak=0.005"]  # fmt: skip
JOB = "distil_encoder"


def quickly(patch: pytest.MonkeyPatch) -> None:
    """From now on nothing is trained or embedded in processes of Ray's."""
    without_actors(patch)
    for module in (distil_run, gate, train_head):
        patch.setattr(module, "embed", kept_vectors.vectors.embed)

    def stream(examples, engine, model_dir, workers, step):  # type: ignore[no-untyped-def]
        encoded = kept_vectors.vectors.embed(examples, engine, model_dir, workers)
        for start in range(0, examples.num_rows, step):
            part = slice(start, start + step)
            rows = range(examples.num_rows)[part]
            yield list(rows), type(encoded)(encoded.vectors[part], encoded.tokens[part])

    patch.setattr(kept_vectors.vectors, "stream", stream)


def teach(capsys: pytest.CaptureFixture[str], base: str) -> dict[str, Any]:
    """Publish a teacher: a head on the tiny encoder as it is. The report of that."""
    with pytest.MonkeyPatch.context() as patch:
        quickly(patch)
        code, report, err = call(capsys, "train_sentiment_head", f"encoder={base}", *HEAD)
    assert code == 0, err
    return report


def visible(store: Store) -> set[str]:
    """The names of the models that anybody sees."""
    return {manifest["name"] for manifest, _ in registry.listed(f"{store.root}/_models")}


@pytest.mark.timeout(600)
def test_a_student_that_beats_the_cut_is_published_and_scores_reviews(
    shop: tuple[Store, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, base = shop
    models = f"{store.root}/_models"
    code, _, err = call(capsys, JOB, *QUICK)
    assert code == 2 and "train_sentiment_head" in err and err.count("\n") == 0  # there is no teacher yet
    taught = teach(capsys, base)
    for layers in (2, 9):
        code, _, err = call(capsys, JOB, *QUICK, f"student.layers={layers}")
        assert code == 2 and f"student.layers={layers}: the teacher email@" in err and err.count("\n") == 0
    code, report, err = call(capsys, JOB, *QUICK)
    assert code == 0, err
    figures = report["metrics"]["student"]
    assert figures["all"]["over_cut"]["low"] > 0 and figures["en"]["kept"]["value"] > 0.97
    rows = report["metrics"]["vectors computed"]
    assert rows["teacher"] == rows["cut"] > 1000
    student = registry.resolve(models, "sentiment-student@live")
    encoder = registry.resolve(models, student.manifest["encoder"])
    assert (student.digest, encoder.digest) == (report["models"]["sentiment-student"], report["models"]["encoder"])
    assert student.manifest["teacher"].partition("@")[2] == taught["models"]["sentiment"][:12]
    assert registry.resolve(models, "sentiment@live").digest == taught["models"]["sentiment"]  # the teacher stays
    assert len(student.manifest["rows"]) > 500 and "candidate" not in encoder.manifest
    assert len(list(Path(models).glob("sentiment-student-encoder/*/manifest.json"))) == 1  # the cut is gone
    assert_clean(models)
    assert not list(Path(store.root).glob("_training/distil_encoder/*"))
    code, scored, err = call(capsys, "score_reviews", "model=sentiment-student@live", ONE, *ENGINE)
    assert code == 0, err
    assert scored["models"] == {"encoder": encoder.digest, "head": student.digest}
    code, again, _ = call(capsys, JOB, *QUICK)
    assert code == 0 and again["outcome"] == "nothing to do"
    # hardly trained: no better than the cut, so it is refused, and what is live stays; no vector is computed again
    quickly(monkeypatch)
    code, worse, err = call(capsys, JOB, *QUICK, "loop.max_steps=1", "loop.schedule.peak=1e-6")
    assert code == 3 and "no better than the cut" in worse["message"], err
    assert worse["metrics"]["vectors computed"] == {"teacher": 0, "cut": 0}
    code, slow, err = call(capsys, JOB, *QUICK, "gates.speed=1000", "gates.accuracy=9", "loop.max_steps=2")
    assert code == 3 and "gates.speed=1000" in slow["message"] and "gates.accuracy=9" in slow["message"], err
    assert registry.resolve(models, "sentiment-student@live").digest == student.digest
    assert len(list(Path(models).glob("sentiment-student-encoder/*/manifest.json"))) == 1
    assert len(list(Path(models).glob("sentiment-student/*/manifest.json"))) == 1


def test_a_student_that_learns_nothing_is_refused_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, JOB, "student.vector=0", "student.logits=0", "student.label=0")
    assert code == 2 and "nothing is learnt" in err


@pytest.mark.chaos
@pytest.mark.timeout(600)
def test_a_killed_run_goes_on_and_ends_with_the_same_student(
    shop: tuple[Store, str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """kill -9 while vectors are computed, then in the training; what was done is neither lost nor done twice."""
    store, base = shop
    short = [*QUICK, "loop.max_steps=12", "workers.checkpoint_steps=4", "loop.eval_steps=4", "gates.accuracy=9"]
    teach(capsys, base)
    assert killed(store, "vectors_committed", JOB, tuple(short))
    kept = pl.read_delta(store.uri("training_vectors")).height
    assert 0 < kept <= kept_vectors.PART  # one part of two, whichever was done first
    dying = 'SHOPBATCH_CRASH_AT=train-step-6 SHOPBATCH_CRASH_PID=$$ exec "$@"'
    command = ["sh", "-c", dying, "sh", sys.executable, "-m", "shopbatch", "run", JOB, *short]
    driver = subprocess.run(command, capture_output=True, check=False)
    assert driver.returncode == -signal.SIGKILL, driver.stderr.decode()[-2000:]
    assert "sentiment-student" not in visible(store)
    newest = max(Path(store.root).glob("_training/distil_encoder/*/step-*"))
    assert newest.name == "step-00000004"
    quickly(monkeypatch)
    code, report, err = call(capsys, JOB, *short)
    assert code == 3, err
    assert report["metrics"]["vectors computed"] == {"teacher": 0, "cut": 0}
    assert min(step for step, tag in curve(store, report["run_id"], JOB) if tag == "loss") == 5
    resumed = report["models"]["candidate"]
    for path in Path(store.root).glob("_training/distil_encoder/*"):
        path.rename(tmp_path / path.name)
    code, straight, err = call(capsys, JOB, *short, "workers.checkpoint_steps=5")
    assert code == 3, err
    assert straight["models"]["candidate"] == resumed
