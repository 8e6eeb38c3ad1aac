"""Vectors and labels -> the classifier of intents and its calibration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.capabilities.support.intents import ANY, FEATURES, IntentModel, centred, features
from shopbatch.evaluation.calibration import temperature
from shopbatch.training.logistic import fit_logistic
from shopbatch.training.ngrams import NgramClassifier

_OWN_MEAN = 30  # texts of a language from which its mean is its own
_FEW = 10  # questions about something else below which nothing is learnt of what they look like
_FEW_TO_CALIBRATE = 30


@dataclass(frozen=True)
class Setting:
    """How a classifier is fitted.

    Attributes:
        penalty: L2 penalty.
        people: How many generated questions one of a person counts as.
        steps: Maximum number of iterations.
        ngrams: Share of the n-grams in the scores, 0 to 1; the rest is the encoder's.
    """

    penalty: float
    people: float
    steps: int
    ngrams: float = 0.0


@dataclass(frozen=True)
class Rows:
    """Vectors to fit on.

    Attributes:
        texts: [n].
        vectors: Centred, float64 [n, dim].
        label: int64 [n]; `classes` - 1 for a question about no known intent.
        person: Whether a person wrote it, bool [n].
        classes: Number of intents + 1.
    """

    texts: list[str]
    vectors: np.ndarray
    label: np.ndarray
    person: np.ndarray
    classes: int

    def take(self, keep: np.ndarray) -> Rows:
        """Return some of the rows."""
        texts = [self.texts[n] for n in np.flatnonzero(keep).tolist()]
        return Rows(texts, self.vectors[keep], self.label[keep], self.person[keep], self.classes)


@dataclass(frozen=True)
class Calibration:
    """What makes probabilities of scores: see IntentModel."""

    temperature: float
    scope: np.ndarray

    @classmethod
    def unknown(cls) -> Calibration:
        """What is taken where nothing was measured."""
        return cls(1.0, np.zeros(len(FEATURES) + 1))


def language_means(vectors: np.ndarray, language: pa.Array) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the languages with a mean of their own, ANY first, and the means of the vectors at length 1.

    Args:
        vectors: float [n, dim], at length 1.
        language: string [n].
    """
    counts = {c["values"]: c["counts"] for c in pc.value_counts(language).to_pylist() if c["values"] is not None}
    names = sorted(name for name, count in counts.items() if count >= _OWN_MEAN)
    codes = np.asarray(pc.index_in(language, pa.array(names, pa.string())).fill_null(-1))
    means = [vectors.mean(axis=0), *(vectors[codes == place].mean(axis=0) for place in range(len(names)))]
    return (ANY, *names), np.stack(means).astype(np.float32)


def centre(vectors: np.ndarray, language: pa.Array, names: tuple[str, ...], means: np.ndarray) -> np.ndarray:
    """Centre vectors as the model does, float64 [n, dim]."""
    place = pc.index_in(language, pa.array(names, pa.string())).fill_null(0).to_numpy(zero_copy_only=False)
    return centred(vectors, means[place])


def fit_scores(rows: Rows, setting: Setting) -> tuple[np.ndarray, np.ndarray]:
    """Return weights [dim, classes] and bias [classes]."""
    weight = weights_of(rows.person, setting)
    return fit_logistic(rows.vectors, rows.label, rows.classes, setting.penalty, weight, setting.steps)


def fit_ngrams(rows: Rows, setting: Setting) -> NgramClassifier:
    """Fit the classifier of n-grams to the same rows, with the same weights."""
    return NgramClassifier.fit(rows.texts, rows.label, rows.classes, weights_of(rows.person, setting))


def weights_of(person: np.ndarray, setting: Setting) -> np.ndarray:
    """Return what each row counts, of mean 1, float [n]."""
    weight = np.where(person, setting.people, 1.0)
    return np.asarray(weight / weight.mean())


def calibrate(scores: np.ndarray, label: np.ndarray) -> Calibration:
    """Fit the temperature, and what tells questions about something else, to scores of questions that were not learnt.

    Args:
        scores: float [n, intents + 1].
        label: int [n]; the last class is something else.
    """
    other = label == scores.shape[1] - 1
    inside = int((~other).sum())
    heat = temperature(scores[~other, :-1], label[~other]) if inside >= _FEW_TO_CALIBRATE else 1.0
    constant = float(np.log((inside + 0.5) / (other.sum() + 0.5)))
    scope = np.array([0.0] * len(FEATURES) + [constant])
    if other.sum() >= _FEW and inside >= _FEW_TO_CALIBRATE:
        columns = features(scores / heat)
        mean, scale = columns.mean(axis=0), columns.std(axis=0) + 1e-6
        weights, bias = fit_logistic((columns - mean) / scale, (~other).astype(np.int64), 2, 1.0)
        slope = (weights[:, 1] - weights[:, 0]) / scale
        scope = np.append(slope, bias[1] - bias[0] - mean @ slope)
    return Calibration(heat, scope)


def make_model(
    rows: Rows,
    setting: Setting,
    calibration: Calibration,
    names: tuple[tuple[str, ...], tuple[str, ...]],
    means: np.ndarray,
) -> IntentModel:
    """Fit the model to all rows.

    Args:
        rows: All examples.
        setting: How it is fitted.
        calibration: Of the cross-fitted scores.
        names: Those of the intents and of the languages.
        means: [languages, dim].
    """
    weights, bias = fit_scores(rows, setting)
    grams, rarity = np.zeros((0, rows.classes)), np.zeros(0)
    if setting.ngrams:
        read = fit_ngrams(rows, setting)
        grams, rarity = read.weights * setting.ngrams, read.rarity
        weights, bias = weights * (1 - setting.ngrams), mixed(bias, read.bias, setting.ngrams)
    parts = (part.astype(np.float32) for part in (weights, bias, calibration.scope, grams, rarity))
    dense, constant, scope, sparse, rare = parts
    return IntentModel(names[0], names[1], means, dense, constant, calibration.temperature, scope, sparse, rare)


def mixed(dense: np.ndarray, sparse: np.ndarray, share: float) -> np.ndarray:
    """Return scores of which this share comes from n-grams."""
    return np.asarray((1 - share) * dense + share * sparse)
