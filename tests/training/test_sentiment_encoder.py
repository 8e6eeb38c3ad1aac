"""What a fine-tuned encoder must be better in, and by how much it may be worse."""

import copy
from typing import Any

import pytest

from shopbatch.training.config import GateConfig
from shopbatch.training.sentiment_encoder import Config, gates

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
