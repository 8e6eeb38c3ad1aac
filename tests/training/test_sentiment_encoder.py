"""What a fine-tuned encoder must be better in, and by how much it may be worse."""

import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from shopbatch.engines.engine import FakeConfig, TorchConfig, encode_all, open_engine
from shopbatch.training.config import GateConfig
from shopbatch.training.sentiment_encoder import (
    Config,
    EncoderConfig,
    Judged,
    compared,
    first_head,
    gates,
    specs,
    widened,
)
from tests.engines import tiny

ALIKE = {"value": 0.0, "low": -0.004, "high": 0.004}
LESS = {"value": -0.02, "low": -0.03, "high": -0.01}
NAN = dict.fromkeys(ALIKE, float("nan"))
TOLD = {
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
    told: dict[str, Any] = copy.deepcopy(TOLD)
    told[language][metric] = difference
    found = gates(Config.model_construct(gates=GateConfig()), told, "base")
    assert [g.name.split()[0] for g in found if not g.passed] == refused


def test_the_first_head_knows_the_classes_and_is_short(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    label = np.arange(300) % 3
    vectors = (np.eye(3)[label] @ draw.normal(size=(3, 8)) + 0.3 * draw.normal(size=(300, 8))).astype(np.float32)
    examples = pa.table({"text": [f"text {i}" for i in range(300)], "label": pa.array(label, pa.int8()),
                         "language": ["en", "zh"] * 150, "split": (["train"] * 8 + ["val", "test"]) * 30})  # fmt: skip
    base: Any = SimpleNamespace(reference="base@0")
    found = {}
    for scale in (1.0, 0.25):
        config = Config(engine=FakeConfig(kind="fake"), encoder=EncoderConfig(head_scale=scale))
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


@pytest.mark.parametrize(("layers", "after"), [((1, 2), (1, 2, 3)), ((2, -1), (2, -1)), ((-2, 0), (-2, 0, 3))], ids=str)
def test_reading_the_last_layer_too_changes_nothing_at_first(
    tmp_path: Path, layers: tuple[int, ...], after: tuple[int, ...]
) -> None:
    pooling, texts = ("mean", "max"), pa.array(["good enough", "bad", "a longer text of some words"])
    said: Any = {}
    for last in (False, True):
        folder = tiny.build(tmp_path / f"{last}", layers=layers, pooling=pooling)
        base: Any = SimpleNamespace(path=str(folder))
        had, spec = specs(base, last)
        assert had.layers == layers and spec.layers == (after if last else layers)
        (folder / "encoder.json").write_text(spec.model_dump_json())
        vectors = encode_all(
            open_engine(TorchConfig(kind="torch", dtype="float32", max_tokens=48), str(folder)), texts
        ).vectors
        draw = np.random.default_rng(0)
        head = draw.normal(size=(tiny.HIDDEN * 4, 3)).astype(np.float32), np.ones(3, np.float32)
        weights, bias = widened(*head, had, spec)
        assert weights.shape == (tiny.HIDDEN * 2 * len(spec.layers), 3) and weights.dtype == np.float32
        said[last] = vectors @ weights + bias
    assert np.allclose(said[True], said[False], atol=1e-4) and np.ptp(said[True], axis=0).min() > 0.1


def test_models_are_compared_on_the_same_rows_of_each_language() -> None:
    truth = [2] * 8 + [0, 0, 1] + [0, 0]  # the last two are Chinese and have one class
    mine = [2] * 7 + [0] + [0, 0, 2] + [0, 2]
    other = [2] * 8 + [2, 2, 2] + [0, 0]
    language = ["en"] * 11 + ["zh"] * 2
    examples = pa.table({"label": pa.array([0, *truth], pa.int8()), "language": ["en", *language],
                         "split": ["val"] + ["test"] * 13})  # fmt: skip

    def sure(says: list[int]) -> Judged:
        return Judged((0.1 + 0.7 * np.eye(3)[says]).astype(np.float32), {})

    found = compared(sure(mine), sure(other), examples, 0)
    value = {n: {k: v["value"] for k, v in told.items()} for n, told in found.items()}
    assert value["en"]["accuracy"] == pytest.approx(1 / 10) and value["zh"]["accuracy"] == pytest.approx(-1 / 2)
    assert value["en"]["balanced_accuracy"] == pytest.approx((1 - 1 / 8) / 2)
    assert value["zh"]["balanced_accuracy"] == pytest.approx(-1 / 2)
    assert value["en"]["recall_negative"] == 1 and value["en"]["recall_positive"] == pytest.approx(-1 / 8)
    assert np.isnan(value["zh"]["recall_positive"])
    assert value["all"]["log_loss"] == pytest.approx(0)  # two more right, two more wrong
