"""What a fine-tuned encoder must be better in, and by how much it may be worse."""

import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from transformers import AutoModel

from shopbatch.capabilities.sentiment.config import EncoderConfig, FinetuneEncoderConfig
from shopbatch.capabilities.sentiment.evaluate import compare, gates, require
from shopbatch.capabilities.sentiment.head import SentimentHead
from shopbatch.capabilities.sentiment.judge import calibrated_head, held_out_probabilities
from shopbatch.capabilities.sentiment.train_encoder import export, first_head
from shopbatch.core.errors import UserError
from shopbatch.engines.configs import FakeConfig
from shopbatch.models.encoder_spec import EncoderSpec
from shopbatch.training.checkpoint_files import best_name
from shopbatch.training.checkpoints import Checkpoints
from shopbatch.training.config import GateConfig
from shopbatch.training.parallel import Parallel
from shopbatch.training.plans import ClassifyPlan
from tests.engines import tiny

ALIKE = {"value": 0.0, "low": -0.004, "high": 0.004}
LESS = {"value": -0.02, "low": -0.03, "high": -0.01}
NAN = dict.fromkeys(ALIKE, float("nan"))
DIFFERENCES = {
    name: {"accuracy": ALIKE, "recall_negative": ALIKE, "recall_positive": ALIKE, "log_loss": LESS}
    for name in ("all", "en", "zh")
}


@pytest.mark.parametrize(
    ("language", "metric", "difference", "refused"),
    [
        ("en", "accuracy", ALIKE, []),
        ("en", "recall_positive", {"value": -0.005, "low": -0.009, "high": -0.001}, []),  # surely, and by very little
        ("en", "recall_positive", {"value": -0.02, "low": -0.04, "high": -0.005}, ["recall"]),
        ("en", "recall_positive", {"value": -0.02, "low": -0.05, "high": 0.001}, []),  # by chance, perhaps
        ("zh", "recall_negative", {"value": -0.04, "low": -0.05, "high": -0.011}, ["recall"]),
        ("zh", "accuracy", {"value": -0.011, "low": -0.02, "high": 0.001}, ["accuracy"]),
        ("all", "log_loss", {"value": -0.01, "low": -0.02, "high": 0.001}, ["log"]),
        ("zh", "recall_negative", NAN, []),  # a language without a class
    ],
)
def test_gates(language: str, metric: str, difference: dict[str, float], refused: list[str]) -> None:
    differences: dict[str, Any] = copy.deepcopy(DIFFERENCES)
    differences[language][metric] = difference
    found = gates(differences, GateConfig().worse, "base")
    assert [g.name.split()[0] for g in found if not g.passed] == refused


def test_the_first_head_knows_the_classes_and_is_short(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    label = np.arange(300) % 3
    vectors = (np.eye(3)[label] @ draw.normal(size=(3, 8)) + 0.3 * draw.normal(size=(300, 8))).astype(np.float32)
    examples = pa.table({"text": [f"text {i}" for i in range(300)], "label": pa.array(label, pa.int8()),
                         "language": ["en", "zh"] * 150, "domain": ["shop"] * 300,
                         "split": (["train"] * 8 + ["val", "test"]) * 30})  # fmt: skip
    base: Any = SimpleNamespace(reference="base@0")
    found = {}
    for scale in (1.0, 0.25):
        config = FinetuneEncoderConfig(engine=FakeConfig(kind="fake"), encoder=EncoderConfig(head_scale=scale))
        folder = str(tmp_path / str(scale))
        found[scale] = first_head(folder, config, base, examples, lambda: vectors)
        again = first_head(folder, config, base, examples, lambda: pytest.fail("a run that goes on fits no head"))
        assert all(np.array_equal(a, b) for a, b in zip(found[scale], again, strict=True))
        kept = Path(folder, "head.safetensors")
        kept.write_bytes(kept.read_bytes()[:-5])  # damaged: fitted once more, to the same
        repaired = first_head(folder, config, base, examples, lambda: vectors)
        assert all(np.array_equal(a, b) for a, b in zip(found[scale], repaired, strict=True))
        weights, bias = found[scale]
        assert weights.dtype == bias.dtype == np.float32
        assert ((vectors @ weights + bias).argmax(1) == label).mean() > 0.9
    assert all(np.allclose(short, fit / 4) for short, fit in zip(found[0.25], found[1.0], strict=True))


def test_what_is_published_lies_between_the_base_and_what_was_trained(tmp_path: Path) -> None:
    folder = str(tiny.build(tmp_path / "base", layers=[1, 2], prefix="query: "))
    draw = np.random.default_rng(0)
    start = draw.normal(size=(2 * tiny.HIDDEN, 3)).astype(np.float32), np.ones(3, np.float32)
    plan = ClassifyPlan(folder, 3, EncoderSpec(layers=(1, 2)), start, freeze=("embeddings.",))
    objective = plan.build()
    before = {n: p.detach().clone() for n, p in objective.named_parameters()}
    with torch.no_grad():
        for parameter in objective.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=float(parameter.requires_grad))
    after = {n: p.detach().clone() for n, p in objective.named_parameters()}
    place = str(tmp_path / "run")
    Checkpoints(place, "key", Parallel()).save(best_name(7), objective, None, {"best_step": 7})
    run: Any = SimpleNamespace(plan=plan, folder=place, key="key")
    base: Any = SimpleNamespace(path=folder, reference="base@0", manifest={})
    for mix in (1.0, 0.75):
        model, weights, bias = export(str(tmp_path / "models"), run, "query: ", base, 7, mix)
        assert EncoderSpec.load(Path(model.path)) == EncoderSpec(prefix="query: ", layers=(1, 2))
        loaded = AutoModel.from_pretrained(model.path).state_dict()
        found = {f"encoder.{n}": p for n, p in loaded.items() if f"encoder.{n}" in before}
        found |= {"head.weight": torch.from_numpy(weights.T), "head.bias": torch.from_numpy(bias)}
        assert found.keys() == before.keys()
        for name, value in found.items():
            torch.testing.assert_close(value, (1 - mix) * before[name] + mix * after[name], msg=name)


def test_a_language_of_few_examples_is_calibrated_by_all(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    label = np.tile([0, 1, 2], 300)
    language = np.where(np.arange(900) % 9 < 8, "en", "zh")
    split = np.array(["train", "val", "test"])[draw.integers(0, 3, 900)]
    split[(language == "zh") & (split == "val") & (label != 2)] = "train"  # all that is left to calibrate is positive
    examples = pa.table({"text": [f"text {i}" for i in range(900)], "label": pa.array(label, pa.int8()),
                         "language": language, "split": split})  # fmt: skip
    vectors = (np.eye(3)[label] + draw.normal(size=(900, 3))).astype(np.float32)
    head = calibrated_head(np.eye(3, dtype=np.float32), np.zeros(3, np.float32), "encoder@0", vectors, examples)
    assert head.languages == ("other", "en", "zh") and 0.3 < head.temperature[2] < 3
    probabilities = held_out_probabilities(head, vectors, examples)
    chinese = probabilities[language[split == "test"] == "zh"]
    assert np.ptp(chinese.argmax(1)) == 2  # not all of them positive
    # a live head may know a language that the examples have no more
    head.save(tmp_path)
    of_english = examples.set_column(2, "language", pa.array(["en"] * 900))
    live = held_out_probabilities(SentimentHead.load(tmp_path), vectors, of_english)
    assert live.shape == ((split == "test").sum(), 3)


def test_models_are_compared_on_the_same_rows_of_each_language() -> None:
    truth = [2] * 8 + [0, 0, 1] + [0, 0]  # the last two are Chinese and have one class
    candidate = [2] * 7 + [0] + [0, 0, 2] + [0, 2]
    rival = [2] * 8 + [2, 2, 2] + [0, 0]
    language = ["en"] * 11 + ["zh"] * 2
    examples = pa.table({"label": pa.array([0, *truth], pa.int8()), "language": ["en", *language],
                         "domain": ["shop"] * 14, "split": ["val"] + ["test"] * 13})  # fmt: skip

    def sure(says: list[int]) -> np.ndarray:
        return (0.1 + 0.7 * np.eye(3)[says]).astype(np.float32)

    found = compare(sure(candidate), sure(rival), examples, 0)
    value = {n: {k: v["value"] for k, v in metrics.items()} for n, metrics in found.items()}
    assert value["en"]["accuracy"] == pytest.approx(1 / 10) and value["zh"]["accuracy"] == pytest.approx(-1 / 2)
    assert value["en"]["balanced_accuracy"] == pytest.approx((1 - 1 / 8) / 2)
    assert value["zh"]["balanced_accuracy"] == pytest.approx(-1 / 2)
    assert value["en"]["recall_negative"] == 1 and value["en"]["recall_positive"] == pytest.approx(-1 / 8)
    assert np.isnan(value["zh"]["recall_positive"])
    # in English two more are right and one more is wrong; no Chinese text is neutral, so its probabilities of the two
    # sides count alone
    lost = np.log(8) - 2 * np.log(8) + np.log(8)
    assert value["all"]["log_loss"] * 13 == pytest.approx(lost + (value["zh"]["log_loss"] * 2 - np.log(8)), abs=1e-3)
    assert value["zh"]["log_loss"] * 2 == pytest.approx(np.log(8), abs=1e-3)


def test_a_domain_that_gets_worse_stops_a_candidate_whose_mean_is_better() -> None:
    rows = 300
    truth = np.tile([0, 2], rows // 2)
    domain = np.where(np.arange(rows) < 150, "coats", "books")
    table = {"label": pa.array(truth, pa.int8()), "language": ["en"] * rows, "domain": domain, "split": ["test"] * rows}
    right, draw = np.eye(3)[truth], np.random.default_rng(0)
    rival_wrong = draw.random(rows) < np.where(domain == "coats", 0.4, 0.02)
    candidate_wrong = draw.random(rows) < np.where(domain == "coats", 0.02, 0.2)

    def sure(wrong: np.ndarray) -> np.ndarray:
        return (0.05 + 0.85 * np.where(wrong[:, None], np.eye(3)[2 - truth], right)).astype(np.float32)

    against = compare(sure(candidate_wrong), sure(rival_wrong), pa.table(table), 0)
    assert set(against) == {"all", "en", "en: coats", "en: books"}
    assert against["all"]["log_loss"]["high"] < 0 < against["en"]["accuracy"]["value"]
    found = {gate.name: gate for gate in gates(against, 0.02, "live")}
    worst = found["accuracy against live, worst language or domain"]
    assert not worst.passed and "en: books" in worst.detail
    assert found["log loss against live, upper end"].passed


@pytest.mark.parametrize(("sure", "neutral", "split"), [(29, 100, "test"), (0, 0, "test"), (29, 100, "val")])
def test_examples_that_no_model_can_be_judged_by_are_refused_before_training(
    sure: int, neutral: int, split: str
) -> None:
    parts = [split] * (sure + neutral) + ["train"] * 500
    label = pa.array([0] * sure + [1] * neutral + [2] * 500, pa.int8())
    with pytest.raises(UserError, match=rf"{sure} of those kept for it are negative or positive, at least 30"):
        require(pa.table({"split": parts, "label": label}), (split,))
    enough = pa.table({"split": [split] * 30, "label": pa.array([0, 2] * 15, pa.int8())})
    require(enough, (split,))


def test_where_no_language_can_be_judged_none_is_the_worst() -> None:
    unknown = {name: DIFFERENCES[name] | {"accuracy": NAN} for name in ("en", "zh")}
    worst = gates({"all": DIFFERENCES["all"], **unknown}, 0.01, "live")[2]
    assert worst.passed and "no language" in worst.detail
