"""Vectors and classes -> a calibrated classifier that says nothing where it is not sure enough."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shopbatch.capabilities.images.config import FitConfig
from shopbatch.evaluation.calibration import log_loss, softmax, temperature
from shopbatch.evaluation.selective import certain_bound
from shopbatch.training.logistic import fit_logistic


@dataclass(frozen=True)
class Fitted:
    """A multinomial logistic regression, calibrated.

    Attributes:
        weights, bias: Divided by the temperature, float64 [dim, classes] and [classes].
        threshold: The least probability at which it says a class; `selective.NEVER` if it never does.
        losses: Log loss on validation pictures by penalty.
    """

    weights: np.ndarray
    bias: np.ndarray
    threshold: float
    losses: dict[str, float]

    def probabilities(self, inputs: np.ndarray) -> np.ndarray:
        """Return the probability of each class, float64 [n, classes]."""
        return softmax(inputs.astype(float) @ self.weights + self.bias)


def fit(inputs: np.ndarray, label: np.ndarray, split: np.ndarray, classes: int, config: FitConfig) -> Fitted:
    """Fit to the training rows; choose the penalty, the temperature and the threshold on the validation rows.

    Args:
        inputs: float32 [n, dim].
        label: Class numbers, int64 [n].
        split: train, val or test, [n].
        classes: Number of classes.
        config: Penalties, and how sure is sure enough.
    """
    train, val = np.flatnonzero(split == "train"), np.flatnonzero(split == "val")
    center = inputs[train].mean(axis=0, dtype=float)
    spread = inputs[train].std(axis=0, dtype=float) + 1e-6
    scaled = ((inputs - center) / spread).astype(np.float32)
    losses: dict[str, float] = {}
    best: tuple[np.ndarray, np.ndarray] | None = None
    for penalty in config.l2:
        weights, bias = fit_logistic(scaled[train], label[train], classes, penalty, steps=config.steps)
        losses[f"{penalty:g}"] = round(log_loss(scaled[val] @ weights + bias, label[val]), 5)
        if losses[f"{penalty:g}"] == min(losses.values()):
            best = weights, bias
    assert best is not None
    weights, bias = best
    heat = temperature(scaled[val] @ weights + bias, label[val])
    weights, bias = weights / heat, bias / heat
    weights = weights / spread[:, None]
    bias = bias - center @ weights
    probabilities = softmax(inputs[val].astype(float) @ weights + bias)
    right = probabilities.argmax(axis=1) == label[val]
    bound = certain_bound(probabilities.max(axis=1), right, config.precision, config.confidence)
    return Fitted(weights, bias, bound.score, losses)
