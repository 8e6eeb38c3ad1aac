"""Probabilities from scores, and the temperature that makes them reliable (Guo et al. 2017)."""

from __future__ import annotations

import numpy as np

_COLDEST, _HOTTEST = 0.05, 20.0  # limits of a temperature


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return the softmax of logits, float64 [n, classes], each row summing to 1."""
    powers = np.exp(logits.astype(float) - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def log_loss(logits: np.ndarray, label: np.ndarray) -> float:
    """Return the mean negative log probability of the true class."""
    true = softmax(logits)[np.arange(len(label)), label]
    return float(-np.log(np.maximum(true, 1e-12)).mean())


def temperature(logits: np.ndarray, label: np.ndarray) -> float:
    """Find by golden-section search the temperature, 0.05 to 20, that gives logits [n, classes] the lowest log loss."""
    low, high = np.log(_COLDEST), np.log(_HOTTEST)  # convex in 1 / temperature, so it has one minimum here too
    golden = (np.sqrt(5) - 1) / 2
    while high - low > 1e-4:
        a, b = high - golden * (high - low), low + golden * (high - low)
        if log_loss(logits / np.exp(a), label) < log_loss(logits / np.exp(b), label):
            high = b
        else:
            low = a
    return float(np.exp((low + high) / 2))
