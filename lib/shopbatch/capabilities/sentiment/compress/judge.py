"""The gates of a compressed encoder: no worse than its source on the same held-out reviews, and faster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.capabilities.sentiment.compress.config import CompressGates
from shopbatch.capabilities.sentiment.evaluate import ALL, FEW, compare
from shopbatch.capabilities.sentiment.speed import Ratio
from shopbatch.evaluation.proportions import score_interval
from shopbatch.warehouse.gates import Gate, explain

_WHY = "reviews would be judged worse, only faster"
_DO = "add calibration texts or examples, or set {}; nothing is registered"


@dataclass(frozen=True)
class Rivals:
    """The results of the compressed and the source encoder on the test examples, to be compared.

    Attributes:
        examples: All examples.
        candidate: The compressed encoder's probabilities of the test examples, [n, 3].
        source: The source encoder's probabilities of the same examples, [n, 3].
        quality: The result of `evaluate` for the compressed encoder.
        before: The result of `evaluate` for the source encoder.
    """

    examples: pa.Table
    candidate: np.ndarray
    source: np.ndarray
    quality: Mapping[str, Any]
    before: Mapping[str, Any]

    @property
    def test(self) -> pa.Table:
        """The test examples; row i belongs to row i of `candidate` and `source`."""
        return self.examples.filter(pc.equal(self.examples["split"], "test"))


def agreement(candidate: np.ndarray, source: np.ndarray, language: np.ndarray) -> dict[str, dict[str, float]]:
    """Return the share of rows to which two models give the same label, for all rows and by language.

    Args:
        candidate: Probabilities of one model, [n, classes].
        source: Probabilities of the other model, [n, classes].
        language: The language of each row, [n].

    Returns:
        {language or `all`: {"rows", "value", "low", "high"}}: number of rows, the share, and its 95 % Wilson interval.
    """
    same = candidate.argmax(axis=1) == source.argmax(axis=1)
    shares = {}
    for name in [ALL, *sorted(set(language.tolist()))]:
        rows = np.full(len(same), True) if name == ALL else language == name
        count = int(rows.sum())
        if count:
            low, high = score_interval(np.array([same[rows].sum()]), np.array([count]), 0.95)
            ends = {"low": round(float(low[0]), 5), "high": round(float(high[0]), 5)}
            shares[name] = {"rows": count, "value": round(float(same[rows].mean()), 5), **ends}
    return shares


def judge(rivals: Rivals, limits: CompressGates, seed: int) -> tuple[list[Gate], dict[str, Any]]:
    """Return the gates of a compressed encoder's accuracy, calibration and agreement, and the figures behind them.

    Args:
        rivals: Results of the compressed and the source encoder.
        limits: The limits.
        seed: Seed of the bootstrap intervals.

    Returns:
        The gates, and {"against": the result of `evaluate.compare`, "agreement": the result of `agreement`}.
    """
    against = compare(rivals.candidate, rivals.source, rivals.examples, seed)
    languages = np.asarray(rivals.test["language"].to_pylist())
    same = agreement(rivals.candidate, rivals.source, languages)
    counts = {name: int(entry["rows"]) for name, entry in same.items()}
    gates = [_accuracy(name, against[name]["accuracy"], counts[name], limits) for name in counts if counts[name] >= FEW]
    gates += [
        _calibration(name, rivals.quality[name]["ece"]["value"], rivals.before[name]["ece"]["value"], limits)
        for name in rivals.quality
        if name in rivals.before
    ]
    gates.append(_agreement(same[ALL], limits))
    return gates, {"against": against, "agreement": same}


def speed_gate(ratio: Ratio, limits: CompressGates) -> Gate:
    """Return a gate that passes if the compressed encoder is at least `limits.speed` times as fast as its source."""
    passed = ratio.value >= limits.speed
    what = f"the result is {ratio.value:.2f} times as fast as the source here, less than gates.speed={limits.speed:g}"
    why = "whoever changes an encoder computes every review again"
    note = f"{ratio.low:.2f} to {ratio.high:.2f} in the rounds"
    return Gate(
        "speed beside the source",
        round(ratio.value, 3),
        limits.speed,
        passed,
        explain(passed, what, why, "measure on the machines that score, or set gates.speed", note),
    )


def _accuracy(name: str, difference: Mapping[str, float], rows: int, limits: CompressGates) -> Gate:
    sure = name == ALL or rows >= limits.rows
    value = difference["low"] if sure else difference["value"]
    passed = bool(np.isnan(value)) or value >= -limits.worse
    what = f"{name}: accuracy may fall by {-value:.4f}, more than gates.worse={limits.worse:g} ({rows:,} test reviews)"
    note = f"difference {difference['value']:+.4f}, from {difference['low']:+.4f} to {difference['high']:+.4f}"
    kind = "lower end" if sure else "difference"
    detail = explain(passed, what, _WHY, _DO.format("gates.worse"), note)
    return Gate(f"accuracy against the source, {name}, {kind}", value, -limits.worse, passed, detail)


def _calibration(name: str, now: float, before: float, limits: CompressGates) -> Gate:
    grown = now - before
    passed = grown <= limits.ece
    what = f"{name}: the calibration error grows from {before:.4f} to {now:.4f}, more than gates.ece={limits.ece:g}"
    detail = explain(passed, what, "probabilities would be less reliable", _DO.format("gates.ece"))
    return Gate(f"calibration against the source, {name}", round(grown, 5), limits.ece, passed, detail)


def _agreement(same: Mapping[str, float], limits: CompressGates) -> Gate:
    passed = same["low"] >= limits.agreement
    what = f"{same['value']:.2%} of the labels are the source's (at least {same['low']:.2%}), less than gates.agreement"
    why = "rows would change that no customer changed"
    note = f"{same['value']:.4f}, from {same['low']:.4f} to {same['high']:.4f}"
    detail = explain(passed, f"{what}={limits.agreement:g}", why, _DO.format("gates.agreement"), note)
    return Gate("labels as the source's, lower end", same["low"], limits.agreement, passed, detail)
