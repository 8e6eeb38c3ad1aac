"""From which score on a small model answers: so sure that its labels are the large model's. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from shopbatch.capabilities.sentiment.cascade.model import NEVER, bound_of, scores
from shopbatch.capabilities.sentiment.examples import OTHER
from shopbatch.evaluation.proportions import score_interval
from shopbatch.evaluation.selective import agreeing_bound

Bounds = Mapping[str, float]  # least score by language


def fit_bounds(
    each: Sequence[np.ndarray], language: np.ndarray, agreement: float, confidence: float, min_rows: int
) -> list[dict[str, float]]:
    """Return the bounds of each small model, by language.

    What may differ, and the error of saying so, are shared evenly by the small models: each differs on so few of all
    rows that together they differ on no more than is allowed, even if no row had two chances.

    Args:
        each: Probabilities of examples that no model was fitted to, from the smallest model to the large one, [n, 3].
        language: The language of each example, [n].
        agreement: Least share of a language's rows whose label is the large model's.
        confidence: How sure.
        min_rows: Rows that a language needs; with fewer, only the large model answers.
    """
    small, target = each[:-1], each[-1].argmax(axis=1)
    part, sure = 1 - (1 - agreement) / len(small), 1 - (1 - confidence) / len(small)
    fitted = []
    for probabilities in small:
        score, same = scores(probabilities), probabilities.argmax(axis=1) == target
        bounds = {OTHER: NEVER}
        for name in sorted(set(language.tolist())):
            rows = language == name
            if rows.sum() >= min_rows:
                bound = agreeing_bound(score[rows], same[rows], part, sure)
                bounds[name] = bound.score if bound.rows else NEVER
        fitted.append(bounds)
    return fitted


def held(each: Sequence[np.ndarray], language: np.ndarray, bounds: Sequence[Bounds]) -> dict[str, Any]:
    """Return by language: rows, which share each small model answers, and how often the label is the large one's.

    Args:
        each: Probabilities of each model, [n, 3].
        language: The language of each row, [n].
        bounds: The bounds of each small model.
    """
    target = each[-1].argmax(axis=1)
    left, agrees = np.full(len(target), True), np.full(len(target), True)
    answered = []
    for probabilities, its in zip(each[:-1], bounds, strict=True):
        sure = left & (scores(probabilities) >= bound_of(its, pa.array(language.tolist(), pa.string())))
        agrees &= ~sure | (probabilities.argmax(axis=1) == target)
        answered.append(sure)
        left = left & ~sure
    figures: dict[str, Any] = {}
    for name in ["all", *sorted(set(language.tolist()))]:
        rows = np.full(len(agrees), True) if name == "all" else language == name
        if count := int(rows.sum()):
            low, high = score_interval(np.array([agrees[rows].sum()]), np.array([count]), 0.95)
            ends = {"low": round(float(low[0]), 5), "high": round(float(high[0]), 5)}
            figures[name] = {
                "rows": count,
                "answered": round(float(1 - left[rows].mean()), 4),
                "answered by each": [round(float(sure[rows].mean()), 4) for sure in answered],
                "agreement": {"value": round(float(agrees[rows].mean()), 5), **ends},
            }
    return figures
