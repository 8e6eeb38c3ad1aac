"""Metrics of purchase forecasts: of probabilities of one yes-or-no outcome, and of expected amounts of money.

Outcomes are float [n], 0 or 1; probabilities are float [n] between 0 and 1; amounts are float [n], 0 or above.
"""

from __future__ import annotations

import numpy as np

from shopbatch.evaluation.classification import BINS
from shopbatch.evaluation.purchases import Floats

_LEAST = 1e-6


def log_losses(truth: Floats, probability: Floats) -> Floats:
    """Return the negative log probability of each outcome, float64 [n]; forecasts are clipped to [1e-6, 1 - 1e-6].

    Args:
        truth: Outcomes, 0 or 1, float [n].
        probability: Forecast probabilities of outcome 1, float [n].
    """
    p = np.clip(probability, _LEAST, 1 - _LEAST)
    return np.asarray(-np.log(np.where(truth > 0, p, 1 - p)))


def deviances(truth: Floats, expected: Floats) -> Floats:
    """Return the Poisson deviance of each amount from its forecast, float64 [n]; lower is better.

    Its mean is lowest where the forecasts are the true means. See Gneiting (2011), Making and Evaluating Point
    Forecasts, on scoring functions that are consistent for the mean.

    Args:
        truth: Actual amounts, float [n].
        expected: Forecast amounts, float [n].
    """
    mu = np.maximum(expected, _LEAST)
    return np.asarray(2 * (truth * np.log(np.where(truth > 0, truth / mu, 1.0)) - truth + mu))


def calibration(truth: Floats, probability: Floats, bins: int = BINS) -> dict[str, list[float]]:
    """Compare forecast probabilities with the observed shares of outcomes, in bins of equal width, for a report.

    Args:
        truth: Outcomes, 0 or 1, float [n].
        probability: Forecast probabilities of outcome 1, float [n].
        bins: Number of bins.

    Returns:
        {"confidence": [mean forecasts], "accuracy": [observed shares], "count": [rows]}, one value per bin that has
        rows.
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
    """Return the expected calibration error of forecast probabilities, in bins of equal width; nan for no rows.

    Unlike `classification.ece`, it compares the probability of the outcome, not that of the predicted class. It is
    above 0 by chance alone; `calibration_noise` says how far.

    Args:
        truth: Outcomes, 0 or 1, float [n].
        probability: Forecast probabilities of outcome 1, float [n].
        bins: Number of bins.
    """
    gaps = np.bincount(_bins(probability, bins), probability - truth, bins)
    return float(np.abs(gaps).sum() / len(truth)) if len(truth) else float("nan")


def calibration_noise(probability: Floats, seed: int, draws: int = 200, bins: int = BINS) -> float:
    """Return the calibration error that perfectly calibrated forecasts exceed by chance in 5 % of the cases.

    Outcomes are drawn at random from the forecasts; an error of real outcomes below this value is no evidence against
    the forecasts.

    Args:
        probability: Forecast probabilities, float [n].
        seed: Seed of the draws.
        draws: Number of simulated sets of outcomes.
        bins: Number of bins, as for `calibration_error`.
    """
    generator, number = np.random.default_rng(seed), _bins(probability, bins)
    errors = []
    for _ in range(draws):
        truth = generator.random(len(probability)) < probability
        errors.append(np.abs(np.bincount(number, probability - truth, bins)).sum() / max(1, len(probability)))
    return float(np.percentile(errors, 95))


def _bins(probability: Floats, bins: int) -> np.ndarray:
    return np.minimum((probability * bins).astype(np.int64), bins - 1)
