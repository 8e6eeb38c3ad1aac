"""Fits the classifiers of the model `moderation`, and sets their thresholds by cross-validation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from shopbatch.capabilities.moderation.model import KINDS
from shopbatch.training.logistic import fit_logistic


@dataclass(frozen=True)
class Rows:
    """Training rows: the inputs and labels of n texts.

    Attributes:
        inputs: Vector and traits of each text, float32 [n, dim + traits].
        targets: 1 if the text is of the kind, 0 if not, nan if unknown, float64 [n, kinds].
        weight: Training weight of each text, float64 [n].
        group: Number of the line or review sentence that a text comes from, int64 [n]; a group is never split over
            folds.
    """

    inputs: np.ndarray
    targets: np.ndarray
    weight: np.ndarray
    group: np.ndarray

    def take(self, rows: np.ndarray) -> Rows:
        """Return a selection of the rows.

        Args:
            rows: Row numbers, or a boolean mask [n].
        """
        return Rows(self.inputs[rows], self.targets[rows], self.weight[rows], self.group[rows])


@dataclass(frozen=True)
class Scale:
    """Divisors of the classifiers' inputs, which bring them to one scale, so that one L2 penalty suits all.

    The inputs of a passage are the encoder's vector and the traits (which classes of the word lists occur in it).

    Attributes:
        divisor: One divisor per input, float32 [dim + traits].
    """

    divisor: np.ndarray

    @classmethod
    def of(cls, inputs: np.ndarray, dim: int, trait_scale: float) -> Scale:
        """Compute the divisors: vector components get variance 1, traits are multiplied by a constant.

        Args:
            inputs: Vectors and traits, float32 [n, dim + traits].
            dim: Number of components of a vector.
            trait_scale: The constant.
        """
        spread = inputs.std(axis=0, dtype=float) + 1e-6
        spread[dim:] = 1 / trait_scale
        return cls(spread.astype(np.float32))


def fit(rows: Rows, scale: Scale, penalty: float, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Fit a logistic regression for each kind.

    A kind without positive, or without negative, examples gets the weights 0 and the bias -30, so that it is never
    found.

    Args:
        rows: Training rows.
        scale: Divisors of the inputs; the returned weights are for inputs that are not divided.
        penalty: L2 penalty.
        steps: Maximum number of L-BFGS iterations for one kind.

    Returns:
        (weights float64 [dim + traits, kinds], bias float64 [kinds]).
    """
    weights, bias = np.zeros((rows.inputs.shape[1], len(KINDS))), np.zeros(len(KINDS))
    inputs = rows.inputs / scale.divisor
    for column in range(len(KINDS)):
        known = ~np.isnan(rows.targets[:, column])
        label = rows.targets[known, column].astype(np.int64)
        if len(np.unique(label)) < 2:
            bias[column] = -30.0  # a kind without examples is never found
            continue
        two, both = fit_logistic(inputs[known], label, 2, penalty, rows.weight[known], steps)
        weights[:, column], bias[column] = two[:, 1] - two[:, 0], both[1] - both[0]
    return weights / scale.divisor[:, None], bias


def cross_fitted(rows: Rows, folds: int, fitted: Callable[[Rows], tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Return out-of-fold probabilities, float64 [n, kinds]: each row is judged by a model fitted without its group.

    Args:
        rows: Training rows.
        folds: Number of folds.
        fitted: Function that fits weights and bias to rows, see `fit`.
    """
    out = np.zeros(rows.targets.shape)
    part = np.random.default_rng(0).permutation(rows.group.max() + 1)[rows.group] % folds
    for number in range(folds):
        inside = part == number
        weights, bias = fitted(rows.take(~inside))
        out[inside] = sigmoid(rows.inputs[inside] @ weights + bias)
    return out


def thresholds(probabilities: np.ndarray, harmless: np.ndarray, alarms: float) -> np.ndarray:
    """Return for each kind the least probability at which it counts as found, float [kinds], clipped to 0.2..0.9999.

    The thresholds are chosen so that at most about the share `alarms` of the harmless texts is found to be of any kind.

    Args:
        probabilities: Probabilities of n texts, float [n, kinds]; preferably out-of-fold, as of `cross_fitted`.
        harmless: Mask of the harmless texts, bool [n].
        alarms: Share (0 to 1) of the harmless texts that may be flagged, all kinds together.
    """
    quiet = np.sort(probabilities[harmless], axis=0)[::-1]
    allowed = int(alarms * len(quiet) / len(KINDS))
    least = quiet[min(allowed, len(quiet) - 1)] if len(quiet) else np.full(len(KINDS), 0.5)
    return np.asarray(np.clip(np.nextafter(least, 1.0), 0.2, 0.9999))


def log_loss(probabilities: np.ndarray, targets: np.ndarray, weight: np.ndarray) -> float:
    """Return the weighted mean log loss over all known labels; used to choose the penalty.

    Args:
        probabilities: float64 [n, kinds].
        targets: 1, 0, or nan (unknown, not counted), float64 [n, kinds].
        weight: float64 [n].
    """
    sure = np.where(targets == 1, probabilities, 1 - probabilities)
    losses = -np.log(np.maximum(sure, 1e-9)) * weight[:, None]
    return float(np.where(np.isnan(targets), 0.0, losses).sum() / (~np.isnan(targets) * weight[:, None]).sum())


def sigmoid(scores: np.ndarray) -> np.ndarray:
    """Turn log odds into probabilities, float64, without overflow."""
    return np.asarray(np.exp(-np.logaddexp(0, -scores)))
