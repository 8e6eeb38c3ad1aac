"""The report of a training: quality beside the baselines, what is shown, which parts were kept and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from shopbatch.capabilities.recommendations import evaluate
from shopbatch.capabilities.recommendations.evaluate import QUESTIONS, Measured
from shopbatch.capabilities.recommendations.fit import Choice
from shopbatch.capabilities.recommendations.train.live import Live
from shopbatch.capabilities.recommendations.train.parts import Added, Verdict
from shopbatch.runs.report import Figure, Report

LEAST = 200  # users of a group whose quality is reported


def fill_report(
    report: Report,
    quality: Mapping[str, Mapping[str, Measured]],
    groups: Mapping[str, np.ndarray],
    choice: Choice,
    added: Added,
    live: Live,
    seed: int,
) -> None:
    """Fill metrics, figures and highlights."""
    numbers = evaluate.report(quality, seed)
    report.metrics["quality"] = numbers
    report.metrics["choice"] = {"half_life": choice.half_life, "way": str(choice.way), "mixture": str(choice.mixture)}
    report.metrics["validation"] = choice.validation
    report.metrics["parts"] = {f"{v.part} in {v.list}": _tree(v) for v in added.verdicts}
    report.metrics["live"] = live.note
    if live.digest:
        report.models["live"] = live.digest
    report.highlights = {
        f"NDCG@10 of {name} ({question})": f"{numbers[question][name]['ndcg@10']['value']:.4f}"
        for name, question in QUESTIONS.items()
    }
    report.figures += [_parts(added)]


def _tree(verdict: Verdict) -> dict[str, Any]:
    gain = None if verdict.gain is None else verdict.gain.tree()
    return {"weight": verdict.weight, "gain": gain, "why": verdict.why}


def _parts(added: Added) -> Figure:
    rows = [
        [v.part, v.list, v.weight or "not used", *(["–"] * 3 if v.gain is None else v.gain.tree().values()), v.why]
        for v in added.verdicts
    ]
    columns = ["part", "list", "weight", "gain of NDCG@10", "low", "high", "why"]
    caption = (
        "What each part adds to counting on the validation days. A part that does not gain for certain is left out."
    )
    return Figure("table", "Parts beside counting", {"columns": columns, "rows": rows}, caption)
