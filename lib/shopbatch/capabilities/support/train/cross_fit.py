"""What a model says of people's questions that it was not fitted to: by cross-validation over all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from shopbatch.capabilities.support.intents import known_probability
from shopbatch.capabilities.support.train.fit import Calibration, Rows, Setting, calibrate, fit_scores
from shopbatch.evaluation.calibration import log_loss, softmax, temperature


@dataclass(frozen=True)
class CrossFit:
    """The cross-fitted scores of people's questions, in their order.

    Attributes:
        setting: How the models were fitted.
        fold: The part of each question, int64 [people].
        scores: float64 [people, intents + 1].
        probabilities: float64 [people, intents]: calibrated on the other parts.
        losses: The log loss of each setting that was tried, with the best temperature.
    """

    setting: Setting
    fold: np.ndarray
    scores: np.ndarray
    probabilities: np.ndarray
    losses: dict[Setting, float]


def folds_of(group: np.ndarray, label: np.ndarray, folds: int) -> np.ndarray:
    """Deal groups of questions out to parts, label by label, so that each part has some of each; int64 [n].

    Args:
        group: Questions with the same number stay together, [n].
        label: [n].
        folds: Number of parts.
    """
    firsts = np.unique(group, return_index=True)[1]
    order = firsts[np.argsort(label[firsts], kind="stable")]
    part = {int(group[row]): place % folds for place, row in enumerate(order.tolist())}
    return np.array([part[number] for number in group.tolist()], np.int64)


def cross_fit(people: Rows, generated: Rows, settings: Sequence[Setting], fold: np.ndarray) -> CrossFit:
    """Choose the setting with the least log loss on the questions that a model has not seen.

    Args:
        people: People's questions.
        generated: All other ones; every model learns from them.
        settings: To choose from; the first of equally good ones.
        fold: The part of each of people's questions.
    """
    losses, best = {}, np.zeros(0)
    for setting in settings:

        def fitted(kept: np.ndarray, setting: Setting = setting) -> Callable[[np.ndarray], np.ndarray]:
            weights, bias = fit_scores(_joined(people.take(kept), generated), setting)
            return lambda vectors: np.asarray(vectors @ weights + bias)

        scores = held_out(people.vectors, fold, fitted, people.classes)
        losses[setting] = _loss(scores, people.label)
        if losses[setting] == min(losses.values()):
            best, chosen = scores, setting
    return CrossFit(chosen, fold, best, cross_calibrated(best, people.label, fold), losses)


def held_out(
    vectors: np.ndarray,
    fold: np.ndarray,
    fitted: Callable[[np.ndarray], Callable[[np.ndarray], np.ndarray]],
    width: int,
) -> np.ndarray:
    """Return for each row the scores of a model that was fitted to the other parts, float64 [n, width].

    Args:
        vectors: What a model reads, [n, ...].
        fold: [n].
        fitted: Fits a model to the rows of a mask, and returns what scores rows.
        width: Scores of a row.
    """
    scores = np.zeros((len(fold), width))
    for part in np.unique(fold).tolist():
        scores[fold == part] = fitted(fold != part)(vectors[fold == part])
    return scores


def cross_calibrated(scores: np.ndarray, label: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Return probabilities, calibrated for each part on the scores of the others; float64 [n, intents]."""
    out = np.zeros((len(scores), scores.shape[1] - 1))
    for part in np.unique(fold).tolist():
        inside = fold == part
        out[inside] = probabilities(scores[inside], calibrate(scores[~inside], label[~inside]))
    return out


def probabilities(scores: np.ndarray, calibration: Calibration) -> np.ndarray:
    """Return what the model would say of these scores, float64 [n, intents]."""
    warm = scores / calibration.temperature
    return np.asarray(known_probability(warm, calibration.scope)[:, None] * softmax(warm[:, :-1]))


def _loss(scores: np.ndarray, label: np.ndarray) -> float:
    return log_loss(scores / temperature(scores, label), label)


def _joined(first: Rows, second: Rows) -> Rows:
    return Rows(
        np.concatenate([first.vectors, second.vectors]),
        np.concatenate([first.label, second.label]),
        np.concatenate([first.person, second.person]),
        first.classes,
    )
