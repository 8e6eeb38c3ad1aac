"""Vectors and classes -> a calibrated classifier that says nothing where it is not sure enough.

It has several heads, each fitted without one fold of the pictures. A picture is classified by the head that has not
learnt from it, so that a wrong class of the catalogue, which the others were told, does not confirm itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shopbatch.capabilities.images.config import FitConfig
from shopbatch.evaluation.calibration import log_loss, softmax, temperature
from shopbatch.evaluation.selective import certain_bound
from shopbatch.training.logistic import fit_logistic

HELD_OUT = -1  # the fold of pictures that no head learns from


@dataclass(frozen=True)
class Fitted:
    """Heads of a multinomial logistic regression, calibrated.

    Attributes:
        weights, bias: Divided by the temperature, float64 [folds, dim, classes] and [folds, classes].
        threshold: The least probability at which it says a class; `selective.NEVER` if it never does.
        losses: Log loss on the first fold by penalty.
    """

    weights: np.ndarray
    bias: np.ndarray
    threshold: float
    losses: dict[str, float]

    def probabilities(self, inputs: np.ndarray, fold: np.ndarray) -> np.ndarray:
        """Return the probability of each class; see `by_fold`."""
        return by_fold(inputs, fold, self.weights, self.bias)


def by_fold(inputs: np.ndarray, fold: np.ndarray, weights: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Return the probability of each class, float64 [n, classes], by the head that has not learnt from the picture.

    Args:
        inputs: float32 [n, dim].
        fold: The fold of each picture, int64 [n]; HELD_OUT gives the mean of all heads.
        weights, bias: Of the heads, [folds, dim, classes] and [folds, classes].
    """
    out = np.zeros((len(inputs), bias.shape[1]))
    for number, (each, constant) in enumerate(zip(weights, bias, strict=True)):
        own, every = fold == number, fold == HELD_OUT
        out[own] = softmax(inputs[own].astype(float) @ each + constant)
        out[every] += softmax(inputs[every].astype(float) @ each + constant) / len(weights)
    return out


def fold_of(sha256: str, folds: int, held_out: float) -> int:
    """Return the fold of a picture by its SHA-256, the same one for all copies of a file.

    Args:
        sha256: 64 hex digits.
        folds: How many there are.
        held_out: Share of the pictures that no head learns from.
    """
    place = int(sha256[-8:], 16) / 2**32
    return HELD_OUT if place < held_out else int((place - held_out) / (1 - held_out) * folds)


def fit(inputs: np.ndarray, label: np.ndarray, fold: np.ndarray, classes: int, config: FitConfig) -> Fitted:
    """Fit a head without each fold; the penalty, the temperature and the threshold come from the folds left out.

    Args:
        inputs: float32 [n, dim].
        label: Class numbers, int64 [n].
        fold: The fold of each picture, int64 [n]; HELD_OUT ones are not looked at.
        classes: Number of classes.
        config: Penalties, and how sure is sure enough.
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
