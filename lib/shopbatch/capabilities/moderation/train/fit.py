"""Examples and their vectors -> the classifiers and their thresholds, by cross-validation over lines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from shopbatch.capabilities.moderation.model import KINDS
from shopbatch.training.logistic import fit_logistic


@dataclass(frozen=True)
class Rows:
    """What a classifier is fitted to.

    Attributes:
        inputs: Vector and traits of each text, float32 [n, dim + traits].
        targets: 1, 0, or nan where it is not known, float64 [n, kinds].
        weight: float64 [n].
        group: Rows with the same number are in one fold, int64 [n].
    """

    inputs: np.ndarray
    targets: np.ndarray
    weight: np.ndarray
    group: np.ndarray

    def take(self, rows: np.ndarray) -> Rows:
        """Return some of the rows."""
        return Rows(self.inputs[rows], self.targets[rows], self.weight[rows], self.group[rows])


@dataclass(frozen=True)
class Scale:
    """What inputs are divided by, so that one penalty serves vectors and traits; float32 [dim + traits]."""

    divisor: np.ndarray

    @classmethod
    def of(cls, inputs: np.ndarray, dim: int, trait_scale: float) -> Scale:
        """Scale each number of a vector to variance 1, and a trait by a constant."""
        spread = inputs.std(axis=0, dtype=float) + 1e-6
        spread[dim:] = 1 / trait_scale
        return cls(spread.astype(np.float32))


def fit(rows: Rows, scale: Scale, penalty: float, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Fit a logistic regression for each kind.

    Args:
        rows: The examples.
        scale: What the inputs are divided by; it is folded into the weights.
        penalty: L2 penalty.
        steps: Maximum number of iterations of one fit.

    Returns:
        weights float64 [dim + traits, kinds], bias float64 [kinds].
    """
    weights, bias = np.zeros((rows.inputs.shape[1], len(KINDS))), np.zeros(len(KINDS))
    inputs = rows.inputs / scale.divisor
    for column in range(len(KINDS)):
        known = ~np.isnan(rows.targets[:, column])
        label = rows.targets[known, column].astype(np.int64)
        if len(np.unique(label)) < 2:
            bias[column] = -30.0  # nothing is of a kind of which there are no examples
            continue
        two, both = fit_logistic(inputs[known], label, 2, penalty, rows.weight[known], steps)
        weights[:, column], bias[column] = two[:, 1] - two[:, 0], both[1] - both[0]
    return weights / scale.divisor[:, None], bias


def cross_fitted(rows: Rows, folds: int, fitted: Callable[[Rows], tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Return for each row the probabilities of a model that was fitted to other groups, float64 [n, kinds].

    Args:
        rows: The examples.
        folds: Number of parts.
        fitted: Fits weights and bias to rows.
    """
    out = np.zeros(rows.targets.shape)
    part = np.random.default_rng(0).permutation(rows.group.max() + 1)[rows.group] % folds
    for number in range(folds):
        inside = part == number
        weights, bias = fitted(rows.take(~inside))
        out[inside] = sigmoid(rows.inputs[inside] @ weights + bias)
    return out


def thresholds(probabilities: np.ndarray, harmless: np.ndarray, alarms: float) -> np.ndarray:
    """Return for each kind the least probability at which it is found, so that few harmless texts are found as any.

    Args:
        probabilities: Of texts that the model did not learn from, float [n, kinds].
        harmless: Which texts are harmless, bool [n].
        alarms: Share of the harmless texts that may be found, all kinds together.
    """
    quiet = np.sort(probabilities[harmless], axis=0)[::-1]
    allowed = int(alarms * len(quiet) / len(KINDS))
    least = quiet[min(allowed, len(quiet) - 1)] if len(quiet) else np.full(len(KINDS), 0.5)
    return np.asarray(np.clip(np.nextafter(least, 1.0), 0.2, 0.9999))


def log_loss(probabilities: np.ndarray, targets: np.ndarray, weight: np.ndarray) -> float:
    """Return the weighted mean log loss over all kinds that are known."""
    sure = np.where(targets == 1, probabilities, 1 - probabilities)
    losses = -np.log(np.maximum(sure, 1e-9)) * weight[:, None]
    return float(np.where(np.isnan(targets), 0.0, losses).sum() / (~np.isnan(targets) * weight[:, None]).sum())


def sigmoid(scores: np.ndarray) -> np.ndarray:
    """Return the probabilities of log odds, float64."""
    return np.asarray(np.exp(-np.logaddexp(0, -scores)))
