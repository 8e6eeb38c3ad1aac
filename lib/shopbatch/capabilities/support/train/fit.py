"""Fits the classifier of intents and its calibration to vectors and labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.capabilities.support.intents import ANY, FEATURES, IntentModel, centred, features
from shopbatch.evaluation.calibration import temperature
from shopbatch.training.logistic import fit_logistic
from shopbatch.training.ngrams import NgramClassifier

_OWN_MEAN = 30  # least texts of a language for a mean vector of its own
_FEW = 10  # least questions about something else to learn how they differ
_FEW_TO_CALIBRATE = 30


@dataclass(frozen=True)
class Setting:
    """Hyperparameters of one fit.

    Attributes:
        penalty: L2 penalty.
        people: Weight of a question that a person wrote, against 1 for a generated one.
        steps: Maximum number of L-BFGS iterations.
        ngrams: Share of the n-grams in the scores, 0 to 1; the rest is the encoder's.
    """

    penalty: float
    people: float
    steps: int
    ngrams: float = 0.0


@dataclass(frozen=True)
class Rows:
    """Encoded questions to fit on.

    Attributes:
        texts: The questions, [n].
        vectors: Centred vectors, float64 [n, dim].
        label: Index of the intent, int64 [n]; `classes` - 1 for a question about no known intent.
        person: True where a person wrote the question, bool [n].
        classes: Number of intents + 1.
    """

    texts: list[str]
    vectors: np.ndarray
    label: np.ndarray
    person: np.ndarray
    classes: int

    def take(self, keep: np.ndarray) -> Rows:
        """Return the rows that a mask selects, bool [n]."""
        texts = [self.texts[n] for n in np.flatnonzero(keep).tolist()]
        return Rows(texts, self.vectors[keep], self.label[keep], self.person[keep], self.classes)


@dataclass(frozen=True)
class Calibration:
    """Calibration that turns scores into probabilities; the fields are those of `IntentModel`.

    Attributes:
        temperature: Divisor of the scores, above 0.
        scope: Weights of `intents.features` and, last, the constant, float [len(FEATURES) + 1].
    """

    temperature: float
    scope: np.ndarray

    @classmethod
    def unknown(cls) -> Calibration:
        """Return the calibration that is used if there are no questions to measure on.

        It gives every question a probability of 0.5 of being about a known intent.
        """
        return cls(1.0, np.zeros(len(FEATURES) + 1))


def language_means(vectors: np.ndarray, language: pa.Array) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the languages with at least 30 texts, and the mean vector of each; ANY, with the mean of all, comes first.

    Args:
        vectors: Vectors of length 1, float [n, dim].
        language: ISO 639-1 code or null, string [n].
    """
    counts = {c["values"]: c["counts"] for c in pc.value_counts(language).to_pylist() if c["values"] is not None}
    names = sorted(name for name, count in counts.items() if count >= _OWN_MEAN)
    codes = np.asarray(pc.index_in(language, pa.array(names, pa.string())).fill_null(-1))
    means = [vectors.mean(axis=0), *(vectors[codes == place].mean(axis=0) for place in range(len(names)))]
    return (ANY, *names), np.stack(means).astype(np.float32)


def centre(vectors: np.ndarray, language: pa.Array, names: tuple[str, ...], means: np.ndarray) -> np.ndarray:
    """Centre vectors as `IntentModel.predict` does; float64 [n, dim].

    The mean vector of the question's language is subtracted from each vector. A language without a mean vector uses
    that of ANY.

    Args:
        vectors: float [n, dim].
        language: ISO 639-1 code or null, string [n].
        names: Languages with a mean vector, ANY first.
        means: Mean vectors of these languages, [languages, dim].
    """
    place = pc.index_in(language, pa.array(names, pa.string())).fill_null(0).to_numpy(zero_copy_only=False)
    return centred(vectors, means[place])


def fit_scores(rows: Rows, setting: Setting) -> tuple[np.ndarray, np.ndarray]:
    """Fit a logistic regression to the vectors; return weights [dim, classes] and bias [classes]."""
    weight = weights_of(rows.person, setting)
    return fit_logistic(rows.vectors, rows.label, rows.classes, setting.penalty, weight, setting.steps)


def fit_ngrams(rows: Rows, setting: Setting) -> NgramClassifier:
    """Fit the n-gram classifier to the rows' texts; each row has the weight that it has in `fit_scores`."""
    return NgramClassifier.fit(rows.texts, rows.label, rows.classes, weights_of(rows.person, setting))


def weights_of(person: np.ndarray, setting: Setting) -> np.ndarray:
    """Return the weight of each row in the loss, with mean 1, float [n].

    Args:
        person: True where a person wrote the question, bool [n].
        setting: Hyperparameters with the weight of people's questions.
    """
    weight = np.where(person, setting.people, 1.0)
    return np.asarray(weight / weight.mean())


def calibrate(scores: np.ndarray, label: np.ndarray) -> Calibration:
    """Fit the calibration to scores of questions that the classifier did not learn from.

    With fewer than 30 questions about known intents, the temperature is 1. With fewer than 30 about known intents or
    fewer than 10 about something else, every question gets the same probability of being about a known intent.

    Args:
        scores: Scores, float [n, intents + 1].
        label: Index of the true class, int [n]; the last class is "something else".
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
    """Fit the final model to all rows.

    Args:
        rows: All examples.
        setting: Hyperparameters.
        calibration: Calibration of the cross-fitted scores.
        names: Names of the intents, and names of the languages.
        means: Mean vectors of the languages, [languages, dim].
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
    """Return the weighted mean of two score arrays, `share` (0 to 1) being the weight of the n-grams' scores.

    Args:
        dense: Scores of the encoder's classifier.
        sparse: Scores of the n-gram classifier, of the same shape.
        share: Weight of `sparse`.
    """
    return np.asarray((1 - share) * dense + share * sparse)
