"""Examples and their vectors -> the classifiers of each taxonomy, chosen by cross-validation on people's labels."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from shopbatch.capabilities.insights.config import AspectFitConfig
from shopbatch.capabilities.insights.train.fit import Labelled, Linear, Shift, Weak, fit_aspects, fit_shift, folds_of

FEW = 30  # with fewer labelled sentences of a taxonomy nothing is chosen or calibrated by them
_BONUS = 2.0  # what a hit of the lexicon adds to the logit where nobody has labelled anything


@dataclass(frozen=True)
class Learnt:
    """The classifiers of one taxonomy.

    Attributes:
        linear: From vectors.
        shift: How the logits and the lexicon's hits are put together.
        chosen: The values of the configuration that were chosen; {} without enough labels.
        held_out: Logits of the labelled sentences by classifiers and shifts that did not see them, float64
            [sentences, aspects]; without enough labels, by the classifiers that learnt from the lexicon alone.
    """

    linear: Linear
    shift: Shift
    chosen: dict[str, Any]
    held_out: np.ndarray

    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Weights [aspects, dim], bias [aspects] and what a hit adds [aspects], as the model keeps them."""
        bias = self.shift.scale * self.linear.bias + self.shift.offsets
        return self.shift.scale * self.linear.weights, bias, self.shift.bonuses


def learn(weak: Weak, labelled: Labelled, config: AspectFitConfig, seed: int) -> Learnt:
    """Fit the classifiers of one taxonomy; the values with the lowest held-out log loss are chosen."""
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
    """Return the strongest logits of the labelled sentences by classifiers that did not see their fold.

    Args:
        weak, labelled: The examples.
        folds: The fold of each sentence, int64 [sentences].
        how: Weight of a label, and L2 penalty.
        steps: Maximum number of iterations.
        use: Which sentences may be learnt from, bool [sentences]; None for all.

    Returns:
        float64 [sentences, aspects].
    """
    raw = np.empty((len(labelled.owner), labelled.truth.shape[1]))
    for fold in np.unique(folds):
        inside = folds == fold
        clauses = inside[labelled.owner]
        seen = ~inside if use is None else ~inside & use
        raw[clauses] = fit_aspects(weak, labelled.take(seen), *how, steps).logits(labelled.vectors[clauses])
    return labelled.strongest(raw)


def shifted(labelled: Labelled, raw: np.ndarray, folds: np.ndarray, use: np.ndarray | None = None) -> np.ndarray:
    """Put logits and hits together by shifts that did not see the sentence's fold, float64 [sentences, aspects]."""
    hits, out = sentence_hits(labelled), np.empty_like(raw)
    for fold in np.unique(folds):
        inside = folds == fold
        seen = ~inside if use is None else ~inside & use
        out[inside] = fit_shift(raw[seen], hits[seen], labelled.truth[seen]).apply(raw[inside], hits[inside])
    return out


def sentence_hits(labelled: Labelled) -> np.ndarray:
    """Whether some clause of each sentence has a word of the lexicon, bool [sentences, aspects]."""
    hits = np.zeros(labelled.truth.shape, bool)
    np.logical_or.at(hits, labelled.owner, labelled.hits)
    return hits


def log_loss(logits: np.ndarray, truth: np.ndarray) -> float:
    """Mean over sentences and aspects of the logistic loss."""
    return float(np.logaddexp(0, np.where(truth, -logits, logits)).mean())
