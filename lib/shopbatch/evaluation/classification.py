"""How good a classifier's labels and probabilities are, and how certain that is.

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
    """A number with its bootstrap percentile interval (Efron and Tibshirani 1993, chapter 13)."""

    value: float
    low: float
    high: float

    def tree(self) -> dict[str, float]:
        """Return the three numbers by name, rounded to five digits."""
        return {name: round(number, 5) for name, number in asdict(self).items()}


def accuracy(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Return the share of rows that are right; nan for no rows."""
    return float(np.mean(truth == predicted)) if len(truth) else float("nan")


def recall(truth: np.ndarray, predicted: np.ndarray, label: int) -> float:
    """Return the share of the rows of class `label` that were predicted as such; nan if there are none."""
    return accuracy(truth[truth == label], predicted[truth == label])


def confusion(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Return counts, int64 [classes, classes]; a row is a true class, a column a predicted one."""
    cells = np.bincount(truth.astype(np.int64) * classes + predicted, minlength=classes * classes)
    return np.asarray(cells.reshape(classes, classes), np.int64)


def reliability(truth: np.ndarray, probabilities: np.ndarray, bins: int = BINS) -> dict[str, Any]:
    """Compare top-label confidence with accuracy, in bins of equal width.

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
    """Return the expected calibration error of the top label; nan for no rows.

    Guo et al. 2017, "On Calibration of Modern Neural Networks", equation 3. Bins have equal width and are closed above:
    ((b - 1) / bins, b / bins].
    """
    if not len(truth):
        return float("nan")
    number, confidence, correct = _binned(truth, probabilities, bins)
    return float(np.abs(np.bincount(number, confidence - correct, bins)).sum() / len(truth))


def accuracy_interval(truth: np.ndarray, predicted: np.ndarray, seed: int, resamples: int = RESAMPLES) -> Interval:
    """Return the accuracy with its 95 % interval."""
    right = (truth == predicted).astype(float)
    return _ratio(right, np.ones(len(right)), seed, resamples)


def recall_interval(
    truth: np.ndarray, predicted: np.ndarray, label: int, seed: int, resamples: int = RESAMPLES
) -> Interval:
    """Return the recall of one class with its 95 % interval.

    The bootstrap draws from all rows, so that the size of the class varies too.
    """
    is_label = (truth == label).astype(float)
    return _ratio(is_label * (predicted == label), is_label, seed, resamples)


def balanced_accuracy_interval(
    truth: np.ndarray, predicted: np.ndarray, seed: int, resamples: int = RESAMPLES
) -> Interval:
    """Return the mean recall of the classes that occur, with its 95 % interval; nan for no rows."""
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
    """Return the expected calibration error with its 95 % interval.

    The error of a resample is biased upward (Kumar et al. 2019), and so is the interval.
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
    """Return sum(above) / sum(below) with its interval."""
    if not below.sum():
        return Interval(*[float("nan")] * 3)
    drawn = []
    for rows in redraws(len(above), seed, resamples):
        sizes = below[rows].sum(1)
        drawn.append(above[rows].sum(1)[sizes > 0] / sizes[sizes > 0])
    return interval_of(float(above.sum() / below.sum()), np.concatenate(drawn))


def redraws(rows: int, seed: int, draws: int) -> list[np.ndarray]:
    """Draw row numbers with replacement.

    Returns:
        Arrays int [some, rows], together `draws` samples; each array is small enough for memory.
    """
    generator = np.random.default_rng(seed)
    step = max(1, CELLS // rows)
    return [generator.integers(0, rows, (min(step, draws - a), rows)) for a in range(0, draws, step)]


def interval_of(value: float, drawn: np.ndarray) -> Interval:
    """Return a number with the 95 % percentile interval of its bootstrap samples."""
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Interval(value, float(low), float(high))


def _binned(truth: np.ndarray, probabilities: np.ndarray, bins: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (bin number, confidence, 1.0 where right) of each row."""
    confidence = probabilities.max(axis=1).astype(float)
    number = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    return number, confidence, (probabilities.argmax(axis=1) == truth).astype(float)
