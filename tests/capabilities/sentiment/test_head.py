"""The head: calibrated probabilities that are probabilities, by language, from files that are checked."""

import numpy as np
import pyarrow as pa
import pytest
from safetensors.numpy import load_file, save_file

from shopbatch.capabilities.sentiment.head import LABELS, SentimentHead, polar
from shopbatch.capabilities.sentiment.model import sentiment
from shopbatch.models import registry
from shopbatch.models.folder import ModelError


def head(dim=5, languages=("en", "zh")):
    generator = np.random.default_rng(1)
    count = len(languages)
    weights = generator.normal(size=(count, dim, 3)).astype(np.float32)
    bias = generator.normal(size=(count, 3)).astype(np.float32)
    return SentimentHead(languages, weights, bias, np.linspace(0.5, 2, count).astype(np.float32), "e5@abcdef")


def test_probabilities_are_the_softmax_of_the_languages_own_logits():
    vectors = np.random.default_rng(2).normal(size=(7, 5)).astype(np.float32)
    languages = ["zh", None, "en", "ja", "zh", "de", None]
    found = head().probabilities(vectors, pa.array(languages, pa.string()))
    assert found.dtype == np.float32
    for row, vector, language in zip(found, vectors.astype(float), languages, strict=True):
        i = 1 if language == "zh" else 0  # what is not zh is answered for by the first
        logits = [sum(vector * head().weights[i][:, c]) + head().bias[i][c] for c in range(3)]
        powers = np.exp(np.array(logits) / head().temperature[i])
        np.testing.assert_allclose(row, powers / powers.sum(), rtol=1e-5)


def test_rows_sum_to_one_whatever_the_vectors():
    vectors = np.random.default_rng(3).normal(size=(5000, 5)).astype(np.float32)
    vectors *= np.logspace(-3, 4, 5000, dtype=np.float32)[:, None]
    found = head().probabilities(vectors, pa.array(["zh", None] * 2500))
    assert np.abs(found.sum(axis=1, dtype=float) - 1).max() < 1e-6
    assert found.min() >= 0
    assert found.max() <= 1


@pytest.mark.parametrize("dim", [5, 8, 384, 768])
def test_a_row_is_told_the_same_whoever_is_beside_it(dim):
    """A killed run computes what is left in other batches than one that was not: the table must not tell."""
    vectors = np.random.default_rng(4).normal(size=(300, dim)).astype(np.float32)
    language = pa.array(["zh", None, "en"] * 100)
    whole = head(dim).probabilities(vectors, language)
    for size in (1, 2, 3, 7, 8, 16, 64, 101):
        parts = [head(dim).probabilities(vectors[a : a + size], language[a : a + size]) for a in range(0, 300, size)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_no_rows_and_only_one_language():
    assert head().probabilities(np.empty((0, 5), np.float32), pa.array([], pa.string())).shape == (0, 3)
    alone = head(languages=("en",))
    vectors = np.ones((2, 5), np.float32)
    found = alone.probabilities(vectors, pa.array(["zh", None]))
    np.testing.assert_array_equal(found[0], found[1])


def test_vectors_of_another_encoder_are_refused():
    with pytest.raises(ModelError, match=r"reads vectors of 5 numbers.*gives 6"):
        head().probabilities(np.ones((2, 6), np.float32), pa.array([None, None], pa.string()))


def test_saved_and_loaded_it_is_the_same(tmp_path):
    head().save(tmp_path)
    (tmp_path / "again").mkdir()
    loaded = SentimentHead.load(str(tmp_path))
    loaded.save(tmp_path / "again")
    assert (loaded.languages, loaded.encoder, loaded.dim) == (("en", "zh"), "e5@abcdef", 5)
    for name in ("head.safetensors", "head.json"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / name).read_bytes()


@pytest.mark.parametrize("damage", ["json", "arrays", "shape", "labels", "nan", "nothing"])
def test_what_is_no_head_is_refused_in_one_line(tmp_path, damage):
    if damage != "nothing":
        head().save(tmp_path)
    arrays, about = tmp_path / "head.safetensors", tmp_path / "head.json"
    state = load_file(arrays) if damage != "nothing" else {}
    if damage == "json":
        about.write_text(about.read_text()[:-5])
    elif damage == "arrays":
        arrays.write_bytes(arrays.read_bytes()[:-8])
    elif damage == "shape":
        save_file(state | {"bias": state["bias"][:1]}, arrays)
    elif damage == "labels":
        about.write_text(about.read_text().replace("neutral", "mixed"))
    elif damage == "nan":
        save_file(state | {"weights": np.full_like(state["weights"], np.nan)}, arrays)
    with pytest.raises(ModelError, match="is not a sentiment head") as error:
        SentimentHead.load(tmp_path)
    assert "\n" not in str(error.value)


def test_the_fake_head_is_always_the_same_and_uses_all_labels():
    vectors = np.random.default_rng(0).uniform(-1, 1, (1000, 8)).astype(np.float32)
    language = pa.nulls(1000, pa.string())
    first = SentimentHead.fake().probabilities(vectors, language)
    np.testing.assert_array_equal(first, SentimentHead.fake().probabilities(vectors, language))
    assert np.bincount(first.argmax(axis=1), minlength=len(LABELS)).min() > 50


def test_polar_compares_negative_and_positive_only():
    assert polar(np.array([[0.1, 0.7, 0.2], [0.2, 0.7, 0.1]])).tolist() == [2, 0]


def test_a_sentiment_model_brings_the_encoder_it_was_trained_on(tmp_path):
    root = f"{tmp_path}/_models"

    def encoder(value):
        return lambda folder: save_file({"w": np.full(2, value)}, folder / "model.safetensors")

    trained_on = registry.publish(root, "e5", encoder(1.0))
    trained = SentimentHead(("en",), *(np.ones(s, np.float32) for s in ((1, 4, 3), (1, 3), (1,))), trained_on.reference)
    published = registry.publish(root, "sentiment", trained.save, metrics={"en": {"accuracy": 0.9}})
    registry.publish(root, "e5", encoder(2.0))  # a newer encoder changes nothing
    found, metrics = sentiment(str(tmp_path), "sentiment@live", "openvino")
    assert found.digests == {"encoder": trained_on.digest, "head": published.digest}
    assert (found.encoder, found.head) == (trained_on.path, published.path)
    assert metrics == {"en": {"accuracy": 0.9}}
    assert sentiment("/nowhere", "sentiment@live", "fake")[0].encoder == ""


def test_without_a_live_sentiment_model_the_error_names_the_job_that_trains_one(tmp_path):
    with pytest.raises(
        ModelError, match=r"no live model 'sentiment' .*; `shopbatch init` .*, `shopbatch run train_sentiment_head`"
    ):
        sentiment(str(tmp_path), "sentiment@live", "openvino")
    with pytest.raises(ModelError, match="no live model 'other'") as error:
        sentiment(str(tmp_path), "other@live", "openvino")
    assert "train_sentiment_head" not in str(error.value)
