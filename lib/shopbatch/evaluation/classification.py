"""Metrics of classifiers (accuracy, recall, calibration error), each with a bootstrap confidence interval.

Labels are class numbers, int [n], counted from 0; probabilities are float [n, classes], rows summing to 1.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

BINS = 15
RESAMPLES = 1000
CELLS = 4_000_000  # rows x resamples held in memory at once


@dataclass(frozen=True)
class Interval:
    """An estimated number with its confidence interval, usually a bootstrap percentile interval.

    See Efron and Tibshirani 1993, chapter 13. All three are nan where nothing could be measured.

    Attributes:
        value: The estimate.
        low: Lower end of the interval.
        high: Upper end of the interval.
    """

    value: float
    low: float
    high: float

    def tree(self) -> dict[str, float]:
        """Return {"value": ..., "low": ..., "high": ...}, rounded to five digits, for a report."""
        return {name: round(number, 5) for name, number in asdict(self).items()}


def accuracy(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Return the share of rows whose predicted class is the true one, 0 to 1; nan for no rows.

    Args:
        truth: True class numbers, int [n].
        predicted: Predicted class numbers, int [n].
    """
    return float(np.mean(truth == predicted)) if len(truth) else float("nan")


def recall(truth: np.ndarray, predicted: np.ndarray, label: int) -> float:
    """Return the share of the rows of class `label` that were predicted as `label`, 0 to 1; nan if there are none.

    Args:
        truth: True class numbers, int [n].
        predicted: Predicted class numbers, int [n].
        label: The class, from 0.
    """
    return accuracy(truth[truth == label], predicted[truth == label])


def confusion(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Return the confusion matrix as counts, int64 [classes, classes].

    A row is a true class, a column a predicted class.

    Args:
        truth: True class numbers, int [n].
        predicted: Predicted class numbers, int [n].
        classes: Number of classes.
    """
    cells = np.bincount(truth.astype(np.int64) * classes + predicted, minlength=classes * classes)
    return np.asarray(cells.reshape(classes, classes), np.int64)


def reliability(truth: np.ndarray, probabilities: np.ndarray, bins: int = BINS) -> dict[str, Any]:
    """Compare the confidence of predictions with their accuracy, in bins of equal width (a reliability diagram).

    The confidence of a row is its greatest probability, and the prediction is the class that has it.

    Args:
        truth: True class numbers, int [n].
        probabilities: float [n, classes].
        bins: Number of bins.

    Returns:
        {"confidence": [means], "accuracy": [shares], "count": [rows], "ece": expected calibration error}; the lists
        have one value per bin that has rows.
    """
    number, confidence, correct = _binned(truth, probabilities, bins)
    count = np.bincount(number, minlength=bins)
    filled = count > 0
    means = [np.bincount(number, w, bins)[filled] / count[filled] for w in (confidence, correct)]
    return {
        "confidence": [round(float(x), 5) for x in means[0]],
        "accuracy": [round(float(x), 5) for x in means[1]],
        "count": [int(x) for x in count[filled]],
        "ece": round(ece(truth, probabilities, bins), 5),
    }


def ece(truth: np.ndarray, probabilities: np.ndarray, bins: int = BINS) -> float:
    """Return the expected calibration error of the predicted class, 0 to 1; nan for no rows.

    It is the mean gap between confidence and accuracy over bins (Guo et al. 2017, "On Calibration of Modern Neural
    Networks", equation 3). Bins have equal width and are closed above: ((b - 1) / bins, b / bins].

    Args:
        truth: True class numbers, int [n].
        probabilities: float [n, classes].
        bins: Number of bins.
    """
    if not len(truth):
        return float("nan")
    number, confidence, correct = _binned(truth, probabilities, bins)
    return float(np.abs(np.bincount(number, confidence - correct, bins)).sum() / len(truth))


def accuracy_interval(truth: np.ndarray, predicted: np.ndarray, seed: int, resamples: int = RESAMPLES) -> Interval:
    """Return the accuracy with its 95 % bootstrap interval; nan for no rows.

    Args:
        truth: True class numbers, int [n].
        predicted: Predicted class numbers, int [n].
        seed: Seed of the bootstrap.
        resamples: Number of bootstrap samples.
    """
    right = (truth == predicted).astype(float)
    return _ratio(right, np.ones(len(right)), seed, resamples)


def recall_interval(
    truth: np.ndarray, predicted: np.ndarray, label: int, seed: int, resamples: int = RESAMPLES
) -> Interval:
    """Return the recall of the class `label` with its 95 % bootstrap interval; nan if no row has that class.

    The bootstrap draws from all rows, so that the size of the class varies too.

    Args:
        truth: True class numbers, int [n].
        predicted: Predicted class numbers, int [n].
        label: The class, from 0.
        seed: Seed of the bootstrap.
        resamples: Number of bootstrap samples.
    """
    is_label = (truth == label).astype(float)
    return _ratio(is_label * (predicted == label), is_label, seed, resamples)


def balanced_accuracy_interval(
    truth: np.ndarray, predicted: np.ndarray, seed: int, resamples: int = RESAMPLES
) -> Interval:
    """Return the mean recall over the classes that occur, with its 95 % bootstrap interval; nan for no rows.

    Args:
        truth: True class numbers, int [n].
        predicted: Predicted class numbers, int [n].
        seed: Seed of the bootstrap.
        resamples: Number of bootstrap samples.
    """
    classes = np.unique(truth)
    if not len(classes):
        return Interval(*[float("nan")] * 3)
    members = [(truth == c).astype(float) for c in classes]
    hits = [m * (predicted == truth) for m in members]
    drawn = []
    for rows in redraws(len(truth), seed, resamples):
        sizes = np.stack([m[rows].sum(1) for m in members])
        recalls = np.stack([h[rows].sum(1) for h in hits]) / np.maximum(sizes, 1)
        drawn.append(recalls.mean(axis=0)[(sizes > 0).all(axis=0)])
    value = float(np.mean([h.sum() / m.sum() for h, m in zip(hits, members, strict=True)]))
    return interval_of(value, np.concatenate(drawn))


def ece_interval(
    truth: np.ndarray, probabilities: np.ndarray, seed: int, bins: int = BINS, resamples: int = RESAMPLES
) -> Interval:
    """Return the expected calibration error (see `ece`) with its 95 % bootstrap interval; nan for no rows.

    The error of a bootstrap sample is biased upward (Kumar et al. 2019), and so is the interval.

    Args:
        truth: True class numbers, int [n].
        probabilities: float [n, classes].
        seed: Seed of the bootstrap.
        bins: Number of bins.
        resamples: Number of bootstrap samples.
    """
    number, confidence, correct = _binned(truth, probabilities, bins)
    if not len(number):
        return Interval(*[float("nan")] * 3)
    gap = confidence - correct
    drawn = []
    for rows in redraws(len(gap), seed, resamples):
        cell = np.arange(len(rows))[:, None] * bins + number[rows]
        sums = np.bincount(cell.ravel(), gap[rows].ravel(), len(rows) * bins)
        drawn.append(np.abs(sums.reshape(len(rows), bins)).sum(1) / len(gap))
    return interval_of(ece(truth, probabilities, bins), np.concatenate(drawn))


def _ratio(above: np.ndarray, below: np.ndarray, seed: int, resamples: int) -> Interval:
    """Return sum(above) / sum(below) over the rows with its 95 % bootstrap interval; nan if sum(below) is 0."""
    if not below.sum():
        return Interval(*[float("nan")] * 3)
    drawn = []
    for rows in redraws(len(above), seed, resamples):
        sizes = below[rows].sum(1)
        drawn.append(above[rows].sum(1)[sizes > 0] / sizes[sizes > 0])
    return interval_of(float(above.sum() / below.sum()), np.concatenate(drawn))


def redraws(rows: int, seed: int, draws: int) -> list[np.ndarray]:
    """Draw bootstrap samples of row numbers with replacement, in arrays that fit into memory.

    Args:
        rows: Number of rows to draw from, and of each sample.
        seed: Seed of the draws.
        draws: Number of samples.

    Returns:
        Arrays of row numbers, int [samples of this array, rows]; together they hold `draws` samples.
    """
    generator = np.random.default_rng(seed)
    step = max(1, CELLS // rows)
    return [generator.integers(0, rows, (min(step, draws - a), rows)) for a in range(0, draws, step)]


def interval_of(value: float, drawn: np.ndarray) -> Interval:
    """Return an estimate with the 95 % percentile interval of its bootstrap samples.

    Args:
        value: The estimate from all rows.
        drawn: The same estimate from each bootstrap sample, float [draws].
    """
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Interval(value, float(low), float(high))


def _binned(truth: np.ndarray, probabilities: np.ndarray, bins: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (bin number, confidence, 1.0 if the prediction is right else 0.0) of each row, [n] each."""
    confidence = probabilities.max(axis=1).astype(float)
    number = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    return number, confidence, (probabilities.argmax(axis=1) == truth).astype(float)
