"""The gates of a cascade: the small model answers enough, it is faster, and its probabilities are as reliable."""

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
    """Return the gate of the share of reviews that small models answer."""
    passed = share >= least
    what = f"small models answer {share:.1%} of the reviews, less than gates.answered={least:g}"
    why = "the large model would still read nearly everything"
    return Gate("answered by small models", share, least, passed, explain(passed, what, why, _DO.format("agreement")))


def agreement_gates(figures: Mapping[str, Any], least: float) -> list[Gate]:
    """Return a gate for each language: on reviews that chose no bound, labels are not surely fewer than promised.

    Args:
        figures: As `fit.held` gives them, of these reviews.
        least: Least share of labels that are the large model's.
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
    """Return the gate of speed beside the large model alone."""
    passed = ratio.value >= least
    what = f"the cascade is {ratio.value:.2f} times as fast as the large model here, less than gates.speed={least:g}"
    note = f"{ratio.low:.2f} to {ratio.high:.2f} in the rounds"
    detail = explain(passed, what, "two models would be kept for nothing", _DO.format("gates.speed"), note)
    return Gate("speed beside the large model", round(ratio.value, 3), least, passed, detail)


def calibration_gates(
    now: np.ndarray, before: np.ndarray, language: np.ndarray, label: np.ndarray, most: float
) -> list[Gate]:
    """Return a gate for each language: the calibration error beside the large model's.

    Args:
        now, before: The cascade's probabilities and the large model's, [n, 3].
        language: The language of each row, [n].
        label: What is right, int [n].
        most: Most by which the error may grow.
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
