"""Whether one model is better than another on the same rows, and how sure one can be of that."""

from __future__ import annotations

import numpy as np

from shopbatch.evaluation.classification import RESAMPLES, Interval, interval_of, redraws


def difference(
    mine: np.ndarray, other: np.ndarray, seed: int, weights: np.ndarray | None = None, draws: int = RESAMPLES
) -> Interval:
    """Weighted mean of mine - other over paired rows, with its 95 % bootstrap interval (rows are drawn, not values).

    mine, other: a number a row, float [n]. weights: of rows (a document's tokens), float [n]; None: equal.
    """
    if not len(mine):
        return Interval(*[float("nan")] * 3)
    gap = np.asarray(mine, float) - np.asarray(other, float)
    weight = np.ones(len(gap)) if weights is None else np.asarray(weights, float)
    drawn = [(gap[r] * weight[r]).sum(1) / weight[r].sum(1) for r in redraws(len(gap), seed, draws)]
    return interval_of(float((gap * weight).sum() / weight.sum()), np.concatenate(drawn))
