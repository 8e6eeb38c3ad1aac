"""Compares two models on the same rows: the difference or ratio of their scores with a bootstrap interval."""

from __future__ import annotations

import numpy as np

from shopbatch.evaluation.classification import RESAMPLES, Interval, interval_of, redraws


def difference(
    first: np.ndarray, second: np.ndarray, seed: int, weights: np.ndarray | None = None, draws: int = RESAMPLES
) -> Interval:
    """Return the weighted mean of first - second over paired rows, with its 95 % bootstrap interval; nan for no rows.

    The bootstrap draws rows, so the two scores of a row stay together.

    Args:
        first: Score of each row by the first model, float [n].
        second: Score of each row by the second model, float [n].
        seed: Seed of the bootstrap.
        weights: Weight of each row (such as a document's number of tokens), float [n]; None for equal weights.
        draws: Number of bootstrap samples.
    """
    if not len(first):
        return Interval(*[float("nan")] * 3)
    gap = np.asarray(first, float) - np.asarray(second, float)
    weight = np.ones(len(gap)) if weights is None else np.asarray(weights, float)
    drawn = [(gap[r] * weight[r]).sum(1) / weight[r].sum(1) for r in redraws(len(gap), seed, draws)]
    return interval_of(float((gap * weight).sum() / weight.sum()), np.concatenate(drawn))


def ratio(first: np.ndarray, second: np.ndarray, seed: int, draws: int = RESAMPLES) -> Interval:
    """Return sum(first) / sum(second) over paired rows, with its 95 % bootstrap interval; nan for no rows.

    Args:
        first: Number of each row for the numerator, float [n].
        second: Number of each row for the denominator, float [n].
        seed: Seed of the bootstrap.
        draws: Number of bootstrap samples.
    """
    if not len(first):
        return Interval(*[float("nan")] * 3)
    top, bottom = np.asarray(first, float), np.asarray(second, float)
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn = [top[r].sum(1) / bottom[r].sum(1) for r in redraws(len(top), seed, draws)]
        value = float(top.sum() / bottom.sum())
    return interval_of(value, np.concatenate(drawn))
