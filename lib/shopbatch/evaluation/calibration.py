"""Turns logits into probabilities, and fits the temperature that calibrates them (Guo et al. 2017)."""

from __future__ import annotations

import numpy as np

_COLDEST, _HOTTEST = 0.05, 20.0  # limits of a temperature


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return the softmax of logits [n, classes] as probabilities, float64 [n, classes]; each row sums to 1."""
    powers = np.exp(logits.astype(float) - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def log_loss(logits: np.ndarray, label: np.ndarray) -> float:
    """Return the mean negative log probability (natural logarithm) that the logits give to the true classes.

    Probabilities below 1e-12 count as 1e-12.

    Args:
        logits: float [n, classes].
        label: True class number of each row, int [n].
    """
    true = softmax(logits)[np.arange(len(label)), label]
    return float(-np.log(np.maximum(true, 1e-12)).mean())


def temperature(logits: np.ndarray, label: np.ndarray) -> float:
    """Return the temperature by which logits must be divided to have the lowest log loss.

    It is found by golden-section search between 0.05 and 20.

    Args:
        logits: float [n, classes], of rows that the classifier was not trained on.
        label: True class number of each row, int [n].
    """
    low, high = np.log(_COLDEST), np.log(_HOTTEST)  # the loss is convex in 1 / temperature, so there is one minimum
    golden = (np.sqrt(5) - 1) / 2
    while high - low > 1e-4:
        a, b = high - golden * (high - low), low + golden * (high - low)
        if log_loss(logits / np.exp(a), label) < log_loss(logits / np.exp(b), label):
            high = b
        else:
            low = a
    return float(np.exp((low + high) / 2))
