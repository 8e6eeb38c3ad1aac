"""Fit a calibrated classifier of picture vectors that abstains where it is not sure enough.

The training pictures are divided into folds, and one logistic regression (head) is fitted without each fold. A picture
is classified by the head that was fitted without it. So a picture with a wrong class in the catalogue cannot confirm
its own error.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shopbatch.capabilities.images.config import FitConfig
from shopbatch.evaluation.calibration import log_loss, softmax, temperature
from shopbatch.evaluation.selective import certain_bound
from shopbatch.training.logistic import fit_logistic

HELD_OUT = -1  # fold of the pictures that are held out from all fits


@dataclass(frozen=True)
class Fitted:
    """A fitted classifier: one calibrated logistic regression (head) per fold.

    Attributes:
        weights: Weights divided by the temperature, float64 [folds, dim, classes].
        bias: Constants divided by the temperature, float64 [folds, classes].
        threshold: Least probability at which a class is predicted; `selective.NEVER` if no threshold is precise enough.
        losses: Log loss on the first fold, by L2 penalty as text.
    """

    weights: np.ndarray
    bias: np.ndarray
    threshold: float
    losses: dict[str, float]

    def probabilities(self, inputs: np.ndarray, fold: np.ndarray) -> np.ndarray:
        """Return the probability of each class for each picture, float64 [n, classes].

        Args:
            inputs: Vectors of the pictures, float32 [n, dim].
            fold: Fold of each picture, int64 [n]; HELD_OUT gives the mean of all heads.
        """
        return by_fold(inputs, fold, self.weights, self.bias)


def by_fold(inputs: np.ndarray, fold: np.ndarray, weights: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Return the probability of each class, float64 [n, classes], by the head that was fitted without the picture.

    Args:
        inputs: Vectors of the pictures, float32 [n, dim].
        fold: Fold of each picture, int64 [n]; HELD_OUT gives the mean of all heads.
        weights: Weights of the heads, [folds, dim, classes].
        bias: Constants of the heads, [folds, classes].
    """
    out = np.zeros((len(inputs), bias.shape[1]))
    for number, (each, constant) in enumerate(zip(weights, bias, strict=True)):
        own, every = fold == number, fold == HELD_OUT
        out[own] = softmax(inputs[own].astype(float) @ each + constant)
        out[every] += softmax(inputs[every].astype(float) @ each + constant) / len(weights)
    return out


def fold_of(sha256: str, folds: int, held_out: float) -> int:
    """Return the fold of a picture, from 0, or HELD_OUT, by its SHA-256: all copies of a file get the same fold.

    Args:
        sha256: SHA-256 of the file, 64 hex digits.
        folds: Number of folds.
        held_out: Share (0..1) of the pictures that are held out from all fits.
    """
    place = int(sha256[-8:], 16) / 2**32
    return HELD_OUT if place < held_out else int((place - held_out) / (1 - held_out) * folds)


def fit(inputs: np.ndarray, label: np.ndarray, fold: np.ndarray, classes: int, config: FitConfig) -> Fitted:
    """Fit one logistic regression (head) without each fold, and calibrate all heads.

    The L2 penalty is chosen on the first fold. The temperature and the threshold come from all pictures, each
    classified by the head that has not seen it.

    Args:
        inputs: Vectors of the pictures, float32 [n, dim].
        label: Class numbers, int64 [n].
        fold: Fold of each picture, int64 [n]; pictures with HELD_OUT are not used.
        classes: Number of classes.
        config: Penalties to compare, and the precision that a prediction must reach.
    """
    learnt = np.flatnonzero(fold != HELD_OUT)
    center = inputs[learnt].mean(axis=0, dtype=float)
    spread = inputs[learnt].std(axis=0, dtype=float) + 1e-6
    scaled = ((inputs - center) / spread).astype(np.float32)

    def head(number: int, penalty: float) -> tuple[np.ndarray, np.ndarray]:
        rows = learnt[fold[learnt] != number]
        return fit_logistic(scaled[rows], label[rows], classes, penalty, steps=config.steps)

    first, losses = np.flatnonzero(fold == 0), dict[str, float]()
    tried = {penalty: head(0, penalty) for penalty in config.l2}
    for penalty, (weights, bias) in tried.items():
        losses[f"{penalty:g}"] = round(log_loss(scaled[first] @ weights + bias, label[first]), 5)
    chosen = min(config.l2, key=lambda penalty: losses[f"{penalty:g}"])
    heads = [tried[chosen], *(head(number, chosen) for number in range(1, config.folds))]
    logits = np.zeros((len(label), classes))
    for number, (weights, bias) in enumerate(heads):
        rows = np.flatnonzero(fold == number)
        logits[rows] = scaled[rows] @ weights + bias
    heat = temperature(logits[learnt], label[learnt])
    probabilities = softmax(logits[learnt] / heat)
    right = probabilities.argmax(axis=1) == label[learnt]
    bound = certain_bound(probabilities.max(axis=1), right, config.precision, config.confidence)
    unscaled = [weights / heat / spread[:, None] for weights, _ in heads]
    constants = [bias / heat - center @ weights for (_, bias), weights in zip(heads, unscaled, strict=True)]
    return Fitted(np.stack(unscaled), np.stack(constants), bound.score, losses)
