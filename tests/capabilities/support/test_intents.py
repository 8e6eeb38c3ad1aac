"""The model of intents: its files, its probabilities, and that a row does not depend on its batch."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from shopbatch.capabilities.support.intents import IntentModel
from shopbatch.capabilities.support.thresholds import Bounds, Thresholds
from shopbatch.models.folder import ModelError
from shopbatch.text.ngrams import BUCKETS, hashed_ngrams

pytestmark = pytest.mark.slow


def made(dim: int = 384, intents: int = 35, seed: int = 0, ngrams: bool = False) -> IntentModel:
    """A model with random weights and a mean vector for two languages."""
    draw = np.random.default_rng(seed)
    names = tuple(f"i{n:03}" for n in range(intents))
    grams = draw.normal(size=(BUCKETS if ngrams else 0, intents + 1)).astype(np.float32)
    return IntentModel(
        names, ("*", "en", "zh"), draw.normal(size=(3, dim)).astype(np.float32) / dim,
        draw.normal(size=(dim, intents + 1)).astype(np.float32) * 20, draw.normal(size=intents + 1).astype(np.float32),
        1.3, np.array([0.1, 0.5, 0.1, -0.2, 1], np.float32), grams, np.ones(len(grams), np.float32),
        "e5@0123456789ab", "query: ", Thresholds(Bounds(0.8, 0.5), {"i001": Bounds(0.9, 0.6)}, 0.95, 0.9),
    )  # fmt: skip


def some(rows: int, dim: int = 384) -> tuple[np.ndarray, pa.Array]:
    vectors = np.random.default_rng(1).normal(size=(rows, dim)).astype(np.float32)
    return vectors, pa.array([["en", "zh", None, "sw"][n % 4] for n in range(rows)], pa.string())


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    model, (vectors, language) = made(), some(50)
    model.save(tmp_path)
    loaded = IntentModel.load(tmp_path)
    assert loaded.identity == model.identity and loaded.thresholds == model.thresholds
    assert (loaded.predict(vectors, language).probabilities == model.predict(vectors, language).probabilities).all()
    assert replace(model, thresholds=Thresholds()).identity == model.identity
    assert replace(model, prefix="").identity != model.identity


def test_probabilities_are_those_of_the_formula() -> None:
    model, (vectors, language) = made(), some(40)
    got = model.predict(vectors, language)
    for row in range(40):
        mean = {"en": model.means[1], "zh": model.means[2]}.get(language[row].as_py(), model.means[0])
        x = vectors[row].astype(float)
        x = x / np.linalg.norm(x) - mean
        scores = (x / np.linalg.norm(x) @ model.weights + model.bias) / model.temperature
        inside, rest = np.exp(scores[:-1]), np.sort(scores[:-1])
        energy, top = np.log(inside.sum()), inside.max() / (inside.sum() - inside.max())
        logit = [0.1, 0.5, 0.1, -0.2] @ np.array([energy, np.log(top), rest[-1] - rest[-2], scores[-1] - energy]) + 1
        expected = inside / inside.sum() / (1 + np.exp(-logit))
        assert got.probabilities[row] == pytest.approx(expected, abs=2e-3)
    assert (got.confidence == got.probabilities.max(axis=1)).all() and got.intents[3] == f"i{got.number[3]:03}"
    assert got.outside + got.probabilities.sum(axis=1) == pytest.approx(np.ones(40), abs=1e-5)


@pytest.mark.parametrize("rows", [1, 2, 3, 7, 64, 1000, 9001])
def test_a_row_does_not_depend_on_its_batch(rows: int) -> None:
    model, (vectors, language) = made(ngrams=rows < 1000), some(9001)
    texts = [f"question {n % 50} 退款 {'again ' * (n % 7)}" for n in range(9001)]
    whole = model.predict(vectors, language, texts).probabilities
    at = np.random.default_rng(rows).permutation(9001)[:rows]
    part = model.predict(vectors[at], language.take(pa.array(at)), [texts[n] for n in at.tolist()])
    assert (part.probabilities == whole[at]).all()


def test_ngrams_add_to_the_scores(tmp_path: Path) -> None:
    model, (vectors, language) = made(ngrams=True), some(3)
    texts = ["where is it", "退款 12", ""]
    got = model.predict(vectors, language, texts)
    bare = replace(model, grams=model.grams[:0], rarity=model.rarity[:0])
    for row, text in enumerate(texts):
        numbers, counts = hashed_ngrams(text)
        added = (counts @ model.grams[numbers].astype(float)) / max(np.linalg.norm(counts), 1e-9)
        alone = replace(bare, bias=(bare.bias + added).astype(np.float32))
        one = alone.predict(vectors[row : row + 1], language.slice(row, 1)).probabilities[0]
        assert got.probabilities[row] == pytest.approx(one, abs=1e-4)
    model.save(tmp_path)
    assert (IntentModel.load(tmp_path).predict(vectors, language, texts).probabilities == got.probabilities).all()
    with pytest.raises(ModelError, match="needs the texts"):
        model.predict(vectors, language)


def test_zero_vectors_and_no_rows() -> None:
    model = made()
    assert np.isfinite(model.predict(np.zeros((2, 384), np.float32), pa.array([None, "en"], pa.string())).outside).all()
    assert model.predict(np.zeros((0, 384), np.float32), pa.array([], pa.string())).probabilities.shape == (0, 35)


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not a model of intents"):
        IntentModel.load(tmp_path)
    made().save(tmp_path)
    about = json.loads((tmp_path / "intents.json").read_text("utf-8"))
    (tmp_path / "intents.json").write_text(json.dumps(about | {"intents": about["intents"][:-1]}), "utf-8")
    with pytest.raises(ModelError, match="do not fit together"):
        IntentModel.load(tmp_path)
    with pytest.raises(ModelError, match="vectors of 384 numbers"):
        made().predict(np.zeros((1, 8), np.float32), pa.array(["en"]))


def test_decisions_take_the_bounds_of_the_intent() -> None:
    thresholds = made().thresholds
    got = thresholds.decide(["i000", "i000", "i000", "i001", "i001"], np.array([0.8, 0.79, 0.4, 0.89, 0.9]))
    assert got == ["answer", "draft", "escalate", "draft", "answer"]
    assert Thresholds().decide(["i000"], np.array([1.0])) == ["escalate"]
    with pytest.raises(ValueError, match="above that of answers"):
        Thresholds.of(Thresholds.everywhere(0.5, 0.6).tree())
