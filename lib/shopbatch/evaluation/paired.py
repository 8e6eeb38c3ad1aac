"""Whether one model is better than another on the same rows, and how certain that is."""

from __future__ import annotations

import numpy as np

from shopbatch.evaluation.classification import RESAMPLES, Interval, interval_of, redraws


def difference(
    first: np.ndarray, second: np.ndarray, seed: int, weights: np.ndarray | None = None, draws: int = RESAMPLES
) -> Interval:
    """Return the weighted mean of first - second over paired rows, with its 95 % bootstrap interval.

    The bootstrap draws rows, so both numbers of a row stay together.

    Args:
        first: One number per row, float [n].
        second: The other number of each row, float [n].
        seed: Seed of the bootstrap.
        weights: Weight of each row (such as a document's tokens), float [n]; None for equal weights.
        draws: Number of bootstrap samples.
    """
    if not len(first):
        return Interval(*[float("nan")] * 3)
    gap = np.asarray(first, float) - np.asarray(second, float)
    weight = np.ones(len(gap)) if weights is None else np.asarray(weights, float)
    drawn = [(gap[r] * weight[r]).sum(1) / weight[r].sum(1) for r in redraws(len(gap), seed, draws)]
    return interval_of(float((gap * weight).sum() / weight.sum()), np.concatenate(drawn))


def ratio(first: np.ndarray, second: np.ndarray, seed: int, draws: int = RESAMPLES) -> Interval:
    """Return the sum of first divided by that of second over paired rows, with its 95 % bootstrap interval.

    Args:
        first, second, seed, draws: As for `difference`.
    """
    if not len(first):
        return Interval(*[float("nan")] * 3)
    top, bottom = np.asarray(first, float), np.asarray(second, float)
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn = [top[r].sum(1) / bottom[r].sum(1) for r in redraws(len(top), seed, draws)]
        value = float(top.sum() / bottom.sum())
    return interval_of(value, np.concatenate(drawn))
