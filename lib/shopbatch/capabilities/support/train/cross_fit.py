"""Cross-validates the classifier of intents on people's questions: held-out scores and the best hyperparameters."""

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
    """The held-out predictions of people's questions, in the order of the questions.

    Attributes:
        setting: The chosen hyperparameters.
        fold: Fold of each question, int64 [people].
        scores: Scores of each question by a model that was fitted to the other folds, float64 [people, intents + 1].
        probabilities: Probabilities, calibrated on the other folds, float64 [people, intents].
        rival: Scores of n-grams alone (the baseline), float64 [people, intents + 1].
        losses: Log loss of each setting that was tried, at its best temperature.
    """

    setting: Setting
    fold: np.ndarray
    scores: np.ndarray
    probabilities: np.ndarray
    rival: np.ndarray
    losses: dict[Setting, float]


def folds_of(group: np.ndarray, label: np.ndarray, folds: int) -> np.ndarray:
    """Assign groups of questions to folds, label by label, so that each fold has some of each label; int64 [n].

    Args:
        group: Group number; questions of one group stay in one fold, [n].
        label: Label of each question, [n].
        folds: Number of folds.
    """
    firsts = np.unique(group, return_index=True)[1]
    order = firsts[np.argsort(label[firsts], kind="stable")]
    part = {int(group[row]): place % folds for place, row in enumerate(order.tolist())}
    return np.array([part[number] for number in group.tolist()], np.int64)


def cross_fit(
    people: Rows, generated: Rows, settings: Sequence[Setting], fold: np.ndarray, shares: Sequence[float] = (0.0,)
) -> CrossFit:
    """Choose the hyperparameters with the least held-out log loss on people's questions, and predict these questions.

    The encoder's classifier is chosen first, then the share of the n-gram classifier's scores in the sum.

    Args:
        people: People's questions, which are divided into folds.
        generated: Generated questions; every model learns from all of them.
        settings: Hyperparameters to choose from; of equally good ones, the last one is chosen.
        fold: Fold of each of people's questions, int64 [people].
        shares: Shares of the n-gram classifier's scores to choose from, 0 to 1.
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
    """Return a function that scores rows by the n-gram classifier."""
    return lambda asked: model.scores(asked.texts)


def held_out(people: Rows, fold: np.ndarray, fitted: Callable[[Rows], Callable[[Rows], np.ndarray]]) -> np.ndarray:
    """Return the scores of each row by a model that was fitted to the other folds, float64 [n, classes].

    Args:
        people: People's labelled questions, as rows to fit to and to score.
        fold: Fold of each row, [n].
        fitted: Function that fits a model to rows and returns a function that scores rows.
    """
    scores = np.zeros((len(fold), people.classes))
    for part in np.unique(fold).tolist():
        scores[fold == part] = fitted(people.take(fold != part))(people.take(fold == part))
    return scores


def cross_calibrated(scores: np.ndarray, label: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Return probabilities whose calibration was fitted to the scores of the other folds, float64 [n, intents].

    Args:
        scores: Held-out scores, [n, intents + 1].
        label: Index of the true class, int [n].
        fold: Fold of each row, [n].
    """
    out = np.zeros((len(scores), scores.shape[1] - 1))
    for part in np.unique(fold).tolist():
        inside = fold == part
        out[inside] = probabilities(scores[inside], calibrate(scores[~inside], label[~inside]))
    return out


def probabilities(scores: np.ndarray, calibration: Calibration) -> np.ndarray:
    """Turn scores into probabilities of the intents as `IntentModel.predict` does, float64 [n, intents]."""
    warm = scores / calibration.temperature
    return np.asarray(known_probability(warm, calibration.scope)[:, None] * softmax(warm[:, :-1]))


def _loss(scores: np.ndarray, label: np.ndarray) -> float:
    """Return the log loss of scores at their best temperature."""
    return log_loss(scores / temperature(scores, label), label)


def joined(first: Rows, second: Rows) -> Rows:
    """Concatenate two sets of rows."""
    return Rows(
        first.texts + second.texts,
        np.concatenate([first.vectors, second.vectors]),
        np.concatenate([first.label, second.label]),
        np.concatenate([first.person, second.person]),
        first.classes,
    )
