"""How good forecast probabilities of one outcome are, and forecast amounts of money.

Outcomes are float [n], 0 or 1; probabilities are float [n] between 0 and 1; amounts are float [n], 0 or above.
"""

from __future__ import annotations

import numpy as np

from shopbatch.evaluation.classification import BINS
from shopbatch.evaluation.purchases import Floats

_LEAST = 1e-6


def log_losses(truth: Floats, probability: Floats) -> Floats:
    """Return the negative log probability of each outcome; a forecast of 0 or 1 counts as one in a million."""
    p = np.clip(probability, _LEAST, 1 - _LEAST)
    return np.asarray(-np.log(np.where(truth > 0, p, 1 - p)))


def deviances(truth: Floats, expected: Floats) -> Floats:
    """Return the Poisson deviance of each amount: its mean is least where the forecasts are the true means.

    See Gneiting (2011), Making and Evaluating Point Forecasts, on scoring functions that are consistent for the mean.
    """
    mu = np.maximum(expected, _LEAST)
    return np.asarray(2 * (truth * np.log(np.where(truth > 0, truth / mu, 1.0)) - truth + mu))


def calibration(truth: Floats, probability: Floats, bins: int = BINS) -> dict[str, list[float]]:
    """Compare forecast probabilities with shares of outcomes, in bins of equal width.

    Returns:
        `confidence` (mean forecasts), `accuracy` (shares) and `count`, one value per bin that has rows.
    """
    number = _bins(probability, bins)
    count = np.bincount(number, minlength=bins)
    filled = count > 0
    means = [np.bincount(number, w, bins)[filled] / count[filled] for w in (probability, truth)]
    return {
        "confidence": [round(float(v), 5) for v in means[0]],
        "accuracy": [round(float(v), 5) for v in means[1]],
        "count": [int(v) for v in count[filled]],
    }


def calibration_error(truth: Floats, probability: Floats, bins: int = BINS) -> float:
    """Return the expected calibration error of the probabilities themselves, in bins of equal width; nan for no rows.

    It is above 0 by chance alone (see `calibration_noise`).
    """
    gaps = np.bincount(_bins(probability, bins), probability - truth, bins)
    return float(np.abs(gaps).sum() / len(truth)) if len(truth) else float("nan")


def calibration_noise(probability: Floats, seed: int, draws: int = 200, bins: int = BINS) -> float:
    """Return the error that right probabilities exceed in one draw of outcomes out of twenty, by chance alone."""
    generator, number = np.random.default_rng(seed), _bins(probability, bins)
    errors = []
    for _ in range(draws):
        truth = generator.random(len(probability)) < probability
        errors.append(np.abs(np.bincount(number, probability - truth, bins)).sum() / max(1, len(probability)))
    return float(np.percentile(errors, 95))


def _bins(probability: Floats, bins: int) -> np.ndarray:
    return np.minimum((probability * bins).astype(np.int64), bins - 1)
