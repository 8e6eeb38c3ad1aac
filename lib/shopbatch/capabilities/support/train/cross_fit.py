"""What a model says of people's questions that it was not fitted to: by cross-validation over all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from shopbatch.capabilities.support.intents import known_probability
from shopbatch.capabilities.support.train.fit import (
    Calibration,
    Rows,
    Setting,
    calibrate,
    fit_ngrams,
    fit_scores,
    mixed,
)
from shopbatch.evaluation.calibration import log_loss, softmax, temperature
from shopbatch.training.ngrams import NgramClassifier


@dataclass(frozen=True)
class CrossFit:
    """The cross-fitted scores of people's questions, in their order.

    Attributes:
        setting: How the models were fitted.
        fold: The part of each question, int64 [people].
        scores: float64 [people, intents + 1].
        probabilities: float64 [people, intents]: calibrated on the other parts.
        rival: Those of n-grams alone, float64 [people, intents + 1].
        losses: The log loss of each setting that was tried, with the best temperature.
    """

    setting: Setting
    fold: np.ndarray
    scores: np.ndarray
    probabilities: np.ndarray
    rival: np.ndarray
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


def cross_fit(
    people: Rows, generated: Rows, settings: Sequence[Setting], fold: np.ndarray, shares: Sequence[float] = (0.0,)
) -> CrossFit:
    """Choose the setting with the least log loss on the questions that a model has not seen, then the share of n-grams.

    Args:
        people: People's questions.
        generated: All other ones; every model learns from them.
        settings: To choose from; the first of equally good ones.
        fold: The part of each of people's questions.
        shares: Of n-grams, to choose from.
    """
    losses, best = {}, np.zeros(0)
    for setting in settings:

        def fitted(rows: Rows, setting: Setting = setting) -> Callable[[Rows], np.ndarray]:
            weights, bias = fit_scores(joined(rows, generated), setting)
            return lambda asked: np.asarray(asked.vectors @ weights + bias)

        scores = held_out(people, fold, fitted)
        losses[setting] = _loss(scores, people.label)
        if losses[setting] == min(losses.values()):
            best, chosen = scores, setting
    rival = held_out(people, fold, lambda rows: _of_ngrams(fit_ngrams(joined(rows, generated), chosen)))
    for share in shares:
        setting, scores = replace(chosen, ngrams=share), mixed(best, rival, share)
        losses[setting] = _loss(scores, people.label)
    chosen = min((replace(chosen, ngrams=share) for share in shares), key=lambda setting: losses[setting])
    scores = mixed(best, rival, chosen.ngrams)
    return CrossFit(chosen, fold, scores, cross_calibrated(scores, people.label, fold), rival, losses)


def _of_ngrams(model: NgramClassifier) -> Callable[[Rows], np.ndarray]:
    return lambda asked: model.scores(asked.texts)


def held_out(people: Rows, fold: np.ndarray, fitted: Callable[[Rows], Callable[[Rows], np.ndarray]]) -> np.ndarray:
    """Return for each row the scores of a model that was fitted to the other parts, float64 [n, classes].

    Args:
        people: The rows.
        fold: [n].
        fitted: Fits a model to rows, and returns what scores rows.
    """
    scores = np.zeros((len(fold), people.classes))
    for part in np.unique(fold).tolist():
        scores[fold == part] = fitted(people.take(fold != part))(people.take(fold == part))
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


def joined(first: Rows, second: Rows) -> Rows:
    """Put rows together."""
    return Rows(
        first.texts + second.texts,
        np.concatenate([first.vectors, second.vectors]),
        np.concatenate([first.label, second.label]),
        np.concatenate([first.person, second.person]),
        first.classes,
    )
