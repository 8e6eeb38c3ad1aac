"""Training: recovers what it must, is calibrated on unseen examples, and is the same every time."""

import numpy as np
import pyarrow as pa
import pytest

from shopbatch.capabilities.sentiment.config import HeadConfig
from shopbatch.capabilities.sentiment.evaluate import evaluate
from shopbatch.capabilities.sentiment.train_head import fit
from shopbatch.evaluation.calibration import log_loss, softmax, temperature


def examples(rows, seed=0, languages=("en", "zh")):
    """Vectors in which each language hides its labels in directions of its own, with known probabilities."""
    generator = np.random.default_rng(seed)
    scale, shift = np.logspace(-3, 2, 12), generator.normal(size=12) * 50
    vectors = generator.normal(size=(rows, 12))
    language = generator.choice(languages, rows)
    truth = np.empty((rows, 3))
    for name in languages:
        mine = language == name
        directions = np.random.default_rng(len(name) + ord(name[0])).normal(size=(12, 3))
        truth[mine] = softmax(vectors[mine] @ directions)
    label = (generator.uniform(size=(rows, 1)) > truth.cumsum(1)).sum(1)
    split = np.array(["train", "train", "val", "test"])[np.arange(rows) % 4]
    texts = np.array(["bad", "so so", "good"])[label]
    columns = {"text": texts, "label": label.astype(np.int8), "language": language, "split": split}
    table = pa.table(columns | {"domain": np.repeat("shop", rows)})
    return table, (vectors * scale + shift).astype(np.float32), truth


def test_it_comes_as_near_to_the_true_probabilities_as_the_rows_allow():
    table, vectors, truth = examples(12_000)
    head = fit(table, vectors, HeadConfig(l2=(1e-4, 1e-3), language_l2=1e-4, class_balance=0), "e5@abcdef")
    assert (head.languages, head.encoder, head.dim) == (("other", "en", "zh"), "e5@abcdef", 12)
    found = head.probabilities(vectors, table["language"].combine_chunks())
    assert np.abs(found - truth).mean() < 0.03
    metrics = evaluate(head, table, vectors, seed=0)
    for name in ("en", "zh"):
        mine = (table["language"].to_numpy() == name) & (table["split"].to_numpy() == "test")
        label = table["label"].to_numpy()
        best = (truth.argmax(1) == label)[mine].mean()
        assert metrics[name]["accuracy_of_three"]["value"] == pytest.approx(best, abs=0.01)
        assert metrics[name]["ece"]["value"] < 0.04
        polar = mine & (label != 1)
        right = ((found[:, 2] > found[:, 0]) == (label == 2))[polar].mean()
        assert metrics[name]["accuracy"]["value"] == pytest.approx(right, abs=1e-5)
        assert metrics[name]["accuracy"]["low"] < right < metrics[name]["accuracy"]["high"]
        assert np.sum(metrics[name]["confusion"]["matrix"]) == mine.sum() == metrics[name]["test_rows"]
        assert metrics[name]["baselines"]["majority"]["accuracy"] < metrics[name]["accuracy"]["value"]
        assert metrics[name]["baselines"]["character_bayes"]["accuracy"] == 1.0  # these texts say it all
        assert ("vader" in metrics[name]["baselines"]) == (name == "en")


def test_the_same_examples_give_the_same_head_to_the_last_bit(tmp_path):
    table, vectors, _ = examples(2000)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        fit(table, vectors, HeadConfig(), "e5@abcdef").save(tmp_path / name)
    assert (tmp_path / "a/head.safetensors").read_bytes() == (tmp_path / "b/head.safetensors").read_bytes()


def test_test_examples_teach_nothing():
    table, vectors, _ = examples(2000)
    test = table["split"].to_numpy() == "test"
    label = np.where(test, 2 - table["label"].to_numpy(), table["label"].to_numpy())
    turned = table.set_column(1, "label", pa.array(label.astype(np.int8)))
    first, second = (fit(t, vectors, HeadConfig(), "") for t in (table, turned))
    np.testing.assert_array_equal(first.weights, second.weights)
    np.testing.assert_array_equal(first.temperature, second.temperature)


def test_a_language_with_two_labels_hardly_ever_answers_with_the_third():
    table, vectors, _ = examples(3000, languages=("zh",))
    keep = pa.array(table["label"].to_numpy() != 1)
    head = fit(table.filter(keep), vectors[keep.to_numpy(zero_copy_only=False)], HeadConfig(), "")
    assert head.languages == ("other", "zh")
    assert head.probabilities(vectors, table["language"].combine_chunks())[:, 1].mean() < 0.02


@pytest.mark.slow
def test_with_few_examples_the_stronger_penalty_wins():
    table, vectors, _ = examples(1200, seed=3, languages=("en",))
    noise = np.random.default_rng(0).normal(size=(1200, 300)).astype(np.float32)
    vectors = np.hstack([vectors, noise])
    weak, chosen = (
        evaluate(fit(table, vectors, HeadConfig(l2=l2), ""), table, vectors, 0)["en"]["accuracy_of_three"]["value"]
        for l2 in ((1e-6,), (1e-6, 0.01, 0.1, 1.0))
    )
    assert chosen > weak


@pytest.mark.parametrize("true", [0.3, 1.0, 3.0])
def test_the_temperature_that_spoiled_the_logits_is_found(true):
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(20_000, 3)) * 2
    label = (generator.uniform(size=(len(logits), 1)) > softmax(logits).cumsum(1)).sum(1)
    found = temperature(logits * true, label)
    assert found == pytest.approx(true, rel=0.05)
    losses = [log_loss(logits * true / t, label) for t in (found * 0.98, found, found * 1.02)]
    assert losses[1] < min(losses[0], losses[2])
