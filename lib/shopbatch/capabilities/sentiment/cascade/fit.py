"""Choose from which score on each small model of a cascade answers, so that its labels agree with the large model's.

Pure functions; the job train_cascade uses them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from shopbatch.capabilities.sentiment.cascade.model import NEVER, bound_of, scores
from shopbatch.capabilities.sentiment.examples import OTHER
from shopbatch.evaluation.proportions import score_interval
from shopbatch.evaluation.selective import agreeing_bound

Bounds = Mapping[str, float]  # language -> least score with which a model answers


def fit_bounds(
    each: Sequence[np.ndarray], language: np.ndarray, agreement: float, confidence: float, min_rows: int
) -> list[dict[str, float]]:
    """Return the bounds of each small model, one {language: least score with which it answers} per model.

    The bounds are just high enough that, with the given confidence, the cascade gives the large model's label to the
    given share of rows. The allowed share of different labels (1 - agreement) and the allowed risk (1 - confidence) are
    divided evenly among the small models. So both hold even in the worst case, in which every small model errs on
    different rows.

    Args:
        each: Probabilities [n, 3] by each model, from the smallest to the large one, of examples that no model was
            fitted to.
        language: The language of each example, [n].
        agreement: Smallest share of a language's rows that must get the large model's label.
        confidence: Confidence with which that share must be reached.
        min_rows: Rows that a language needs to get a bound. A language with fewer has no entry and uses that of
            `other`, a bound that no score reaches.
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
    """Return, by language, the share of rows that small models answer and the share that gets the large model's label.

    Args:
        each: Probabilities [n, 3] by each model, from the smallest to the large one.
        language: The language of each row, [n].
        bounds: For each small model, the least score with which it answers, by language.

    Returns:
        {language or `all`: measures}. Measures are `rows` (number), `answered` (share of rows that any small model
        answers), `answered by each` (list of that share by model), and `agreement` (share of rows with the large
        model's label: `value`, and its 95 % interval `low` and `high`).
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
