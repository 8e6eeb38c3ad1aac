"""Fits the aspect classifiers of one taxonomy, with hyperparameters chosen by cross-validation on people's labels."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from shopbatch.capabilities.insights.config import AspectFitConfig
from shopbatch.capabilities.insights.train.fit import Labelled, Linear, Shift, Weak, fit_aspects, fit_shift, folds_of

FEW = 30  # least labelled sentences of a taxonomy to choose hyperparameters and calibrate by them
_BONUS = 2.0  # added to the logit for a lexicon hit if there are too few labels to fit it


@dataclass(frozen=True)
class Learnt:
    """The aspect classifiers of one taxonomy.

    Attributes:
        linear: The classifiers of clause vectors.
        shift: Calibration that combines the classifiers' logits with the lexicon's hits.
        chosen: The chosen hyperparameters and their log loss; {} with fewer than FEW labelled sentences.
        held_out: Logits of the labelled sentences, each by classifiers and a calibration that were fitted without the
            sentence, float64 [sentences, aspects]. With fewer than FEW labelled sentences, the classifiers were fitted
            to the lexicon's labels alone.
    """

    linear: Linear
    shift: Shift
    chosen: dict[str, Any]
    held_out: np.ndarray

    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the weights [aspects, dim], bias [aspects] and lexicon bonus [aspects] that `AspectModel` stores."""
        bias = self.shift.scale * self.linear.bias + self.shift.offsets
        return self.shift.scale * self.linear.weights, bias, self.shift.bonuses


def learn(weak: Weak, labelled: Labelled, config: AspectFitConfig, seed: int) -> Learnt:
    """Fit the aspect classifiers of one taxonomy, with the hyperparameters that have the lowest held-out log loss.

    With fewer than FEW labelled sentences, the classifiers learn from the lexicon alone.

    Args:
        weak: Clauses that the lexicon labelled.
        labelled: Sentences that people labelled.
        config: Hyperparameters to try.
        seed: Seed of the folds.
    """
    if len(labelled.truth) < FEW:
        return _without_labels(weak, labelled, config)
    folds = folds_of(labelled.groups, config.folds, seed)
    tried = []
    for label_weight, l2 in product(config.label_weight, config.l2):
        raw = cross_fitted(weak, labelled, folds, (label_weight, l2), config.steps)
        held_out = shifted(labelled, raw, folds)
        tried.append((log_loss(held_out, labelled.truth), label_weight, l2, raw, held_out))
    loss, label_weight, l2, raw, held_out = min(tried, key=lambda each: each[:3])
    linear = fit_aspects(weak, labelled, label_weight, l2, config.steps)
    shift = fit_shift(raw, sentence_hits(labelled), labelled.truth)
    return Learnt(linear, shift, {"label_weight": label_weight, "l2": l2, "log_loss": round(loss, 4)}, held_out)


def _without_labels(weak: Weak, labelled: Labelled, config: AspectFitConfig) -> Learnt:
    """Fit the aspect classifiers to the lexicon's labels alone, with a fixed calibration."""
    nobody = labelled.take(np.zeros(len(labelled.truth), bool))
    linear = fit_aspects(weak, nobody, 0.0, max(config.l2), config.steps)
    aspects = np.ones(weak.hits.shape[1])
    shift = Shift(1.0, _BONUS * aspects, -_BONUS / 2 * aspects)
    held_out = labelled.strongest(shift.apply(linear.logits(labelled.vectors), labelled.hits))
    return Learnt(linear, shift, {}, held_out)


def cross_fitted(
    weak: Weak,
    labelled: Labelled,
    folds: np.ndarray,
    how: tuple[float, float],
    steps: int,
    use: np.ndarray | None = None,
) -> np.ndarray:
    """Return held-out aspect logits of the labelled sentences, each by classifiers fitted to the other folds.

    Args:
        weak: Clauses that the lexicon labelled; all classifiers learn from them.
        labelled: Sentences that people labelled.
        folds: The fold of each sentence, int64 [sentences].
        how: Weight of a labelled sentence, and L2 penalty.
        steps: Maximum number of L-BFGS iterations.
        use: Mask of the sentences that the classifiers may learn from, bool [sentences]; None for all.

    Returns:
        Greatest logit over each sentence's clauses, float64 [sentences, aspects].
    """
    raw = np.empty((len(labelled.owner), labelled.truth.shape[1]))
    for fold in np.unique(folds):
        inside = folds == fold
        clauses = inside[labelled.owner]
        seen = ~inside if use is None else ~inside & use
        raw[clauses] = fit_aspects(weak, labelled.take(seen), *how, steps).logits(labelled.vectors[clauses])
    return labelled.strongest(raw)


def shifted(labelled: Labelled, raw: np.ndarray, folds: np.ndarray, use: np.ndarray | None = None) -> np.ndarray:
    """Return held-out calibrated logits: each sentence is calibrated by a calibration fitted to the other folds.

    Args:
        labelled: The sentences that people labelled.
        raw: Cross-fitted logits (see `cross_fitted`), [sentences, aspects].
        folds: The fold of each sentence, int64 [sentences].
        use: Mask of the sentences that the calibrations may learn from, bool [sentences]; None for all.

    Returns:
        float64 [sentences, aspects].
    """
    hits, out = sentence_hits(labelled), np.empty_like(raw)
    for fold in np.unique(folds):
        inside = folds == fold
        seen = ~inside if use is None else ~inside & use
        out[inside] = fit_shift(raw[seen], hits[seen], labelled.truth[seen]).apply(raw[inside], hits[inside])
    return out


def sentence_hits(labelled: Labelled) -> np.ndarray:
    """Return True where a clause of the sentence has a word of an aspect's lexicon, bool [sentences, aspects]."""
    hits = np.zeros(labelled.truth.shape, bool)
    np.logical_or.at(hits, labelled.owner, labelled.hits)
    return hits


def log_loss(logits: np.ndarray, truth: np.ndarray) -> float:
    """Return the mean logistic loss over all sentences and aspects."""
    return float(np.logaddexp(0, np.where(truth, -logits, logits)).mean())
