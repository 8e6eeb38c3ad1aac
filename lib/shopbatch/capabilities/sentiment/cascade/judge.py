"""The gates of a cascade: small models answer enough, agree with the large one, are calibrated, and save time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from shopbatch.capabilities.sentiment.evaluate import FEW, stated_classes
from shopbatch.capabilities.sentiment.speed import Ratio
from shopbatch.evaluation.classification import ece
from shopbatch.warehouse.gates import Gate, explain

_REFIT = "label more reviews, or raise confidence; nothing is registered"
_DO = "name a better small model (small=[...]), or lower {}; nothing is registered"


def answered_gate(share: float, least: float) -> Gate:
    """Return a gate that passes if the small models answer at least the share `least` (0 to 1) of the reviews."""
    passed = share >= least
    what = f"small models answer {share:.1%} of the reviews, less than gates.answered={least:g}"
    why = "the large model would still read nearly everything"
    return Gate("answered by small models", share, least, passed, explain(passed, what, why, _DO.format("agreement")))


def agreement_gates(figures: Mapping[str, Any], least: float) -> list[Gate]:
    """Return a gate per language: enough labels of the cascade equal the large model's, on reviews that chose no bound.

    A gate fails only if the whole 95 % interval of the share lies below `least`.

    Args:
        figures: The result of `fit.held` on reviews that were not used to choose the bounds.
        least: Smallest share of labels that must be equal to the large model's.
    """
    gates = []
    for name, figure in figures.items():
        share = figure["agreement"]
        passed = share["high"] >= least
        what = f"{name}: {share['value']:.2%} of the labels are the large model's, less than agreement={least:g}"
        note = f"{share['low']:.2%} to {share['high']:.2%} of {figure['rows']:,} reviews that chose no bound"
        detail = explain(passed, what, "the bounds do not keep their promise on other reviews", _REFIT, note)
        gates.append(Gate(f"labels as the large model's, {name}", share["value"], least, passed, detail))
    return gates


def speed_gate(ratio: Ratio, least: float) -> Gate:
    """Return a gate that passes if the cascade is at least `least` times as fast as the large model alone."""
    passed = ratio.value >= least
    what = f"the cascade is {ratio.value:.2f} times as fast as the large model here, less than gates.speed={least:g}"
    note = f"{ratio.low:.2f} to {ratio.high:.2f} in the rounds"
    detail = explain(passed, what, "two models would be kept for nothing", _DO.format("gates.speed"), note)
    return Gate("speed beside the large model", round(ratio.value, 3), least, passed, detail)


def calibration_gates(
    now: np.ndarray, before: np.ndarray, language: np.ndarray, label: np.ndarray, most: float
) -> list[Gate]:
    """Return a gate per language: the calibration error may exceed the large model's by at most `most`.

    Languages with few reviews have no gate.

    Args:
        now: The cascade's probabilities, [n, 3].
        before: The large model's probabilities, [n, 3].
        language: The language of each row, [n].
        label: The right labels, int [n].
        most: Largest allowed increase of the error.
    """
    gates = []
    for name in sorted(set(language.tolist())):
        rows = language == name
        if rows.sum() < FEW:
            continue
        truth = label[rows].astype(np.int64)
        after, first = (ece(truth, stated_classes(p[rows], truth)) for p in (now, before))
        passed = after - first <= most
        what = f"{name}: the calibration error grows from {first:.4f} to {after:.4f}, more than gates.ece={most:g}"
        detail = explain(passed, what, "probabilities would be less reliable", _DO.format("agreement"))
        gates.append(
            Gate(f"calibration against the large model, {name}", round(after - first, 5), most, passed, detail)
        )
    return gates
