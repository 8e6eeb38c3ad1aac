"""Fits the classifiers of aspects, polarities and taxonomies. Pure functions of vectors: equal input, equal result.

A person's label says which aspects a sentence has, but not which of its clauses is about each aspect. Therefore a
sentence's probability of an aspect is that at least one of its clauses is about it (noisy-or, as in multiple-instance
learning: Dietterich et al. 1997).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from shopbatch.training.one_thread import minimise

_SPREAD = 20.0  # root mean square length of centred vectors after scaling; L2 penalties refer to it


@dataclass(frozen=True)
class Weak:
    """Clauses that are labelled by a lexicon instead of a person (weak labels).

    Attributes:
        vectors: Vectors of the clauses, float32 [n, dim].
        hits: The weak labels, bool [n, aspects]: True where the clause contains a word of the aspect's lexicon.
        weights: Weight of each clause in the loss, float [n].
    """

    vectors: np.ndarray
    hits: np.ndarray
    weights: np.ndarray


@dataclass(frozen=True)
class Labelled:
    """Sentences that people labelled, split into clauses.

    Attributes:
        vectors: Vectors of the sentences' clauses, float32 [clauses, dim].
        owner: Index of each clause's sentence, int64 [clauses], ascending; every sentence has at least one clause.
        hits: True where a clause has a word of an aspect's lexicon, bool [clauses, aspects].
        truth: True where a sentence has an aspect, bool [sentences, aspects].
        groups: Group number of each sentence, int64 [sentences]; a group stays in one fold.
    """

    vectors: np.ndarray
    owner: np.ndarray
    hits: np.ndarray
    truth: np.ndarray
    groups: np.ndarray

    def take(self, sentences: np.ndarray) -> Labelled:
        """Return the sentences that a mask selects, with their clauses; the mask is bool [sentences]."""
        clauses = sentences[self.owner]
        number = np.cumsum(sentences) - 1
        rows = self.vectors[clauses], number[self.owner[clauses]], self.hits[clauses]
        return Labelled(*rows, self.truth[sentences], self.groups[sentences])

    def strongest(self, logits: np.ndarray) -> np.ndarray:
        """Return the greatest logit over each sentence's clauses, float64 [sentences, aspects].

        Args:
            logits: Aspect logits of the clauses, [clauses, aspects].
        """
        best = np.full((len(self.truth), logits.shape[1]), -np.inf)
        np.maximum.at(best, self.owner, logits)
        return best


@dataclass(frozen=True)
class Linear:
    """A linear classifier of encoder vectors that need no scaling first.

    Attributes:
        weights: float64 [classes, dim].
        bias: float64 [classes].
    """

    weights: np.ndarray
    bias: np.ndarray

    def logits(self, vectors: np.ndarray) -> np.ndarray:
        """Return the logits of vectors, float64 [n, classes]."""
        return np.asarray(vectors.astype(float) @ self.weights.T + self.bias)


@dataclass(frozen=True)
class Shift:
    """Calibration that combines an aspect classifier's logits with the lexicon's hits.

    P(aspect) = sigmoid(scale * logit + bonus * hit + offset), where hit is 1 if the sentence has a word of the aspect's
    lexicon, else 0; each aspect has its own bonus and offset.

    Attributes:
        scale: Factor of the logits, above 0.
        bonuses, offsets: One number per aspect, float64 [aspects].
    """

    scale: float
    bonuses: np.ndarray
    offsets: np.ndarray

    def apply(self, logits: np.ndarray, hits: np.ndarray) -> np.ndarray:
        """Return the calibrated logits of the aspects, float64 [n, aspects].

        Args:
            logits: Logits of the aspect classifiers, [n, aspects].
            hits: True where the lexicon matches, bool [n, aspects].
        """
        return np.asarray(self.scale * logits + hits * self.bonuses + self.offsets)


def fit_aspects(weak: Weak, labelled: Labelled, label_weight: float, l2: float, steps: int) -> Linear:
    """Fit one logistic classifier per aspect to weakly labelled clauses and to people's labelled sentences.

    The vectors are centred and scaled to a common length first; the returned classifiers read unscaled vectors. The
    loss has two parts: the weighted mean over clauses and sentences of the log loss (summed over aspects), and `l2`
    times the sum of the squared weights.

    Args:
        weak: Clauses that the lexicon labelled.
        labelled: Sentences that people labelled.
        label_weight: Weight of a labelled sentence.
        l2: L2 penalty.
        steps: Maximum number of L-BFGS iterations.
    """
    both = np.concatenate([weak.vectors, labelled.vectors])
    mean, scale = _scaling(both)
    clauses, sentences = (torch.from_numpy((v - mean) / scale) for v in (weak.vectors, labelled.vectors))
    hits, truth = torch.from_numpy(weak.hits.astype(float)), torch.from_numpy(labelled.truth.astype(float))
    weights, owner = torch.from_numpy(weak.weights)[:, None], torch.from_numpy(labelled.owner)
    total = float(weak.weights.sum()) + label_weight * len(labelled.truth)

    def data_loss(w: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        value = torch.zeros((), dtype=torch.float64)
        if len(hits):
            each = torch.nn.functional.binary_cross_entropy_with_logits(clauses @ w + b, hits, reduction="none")
            value = value + (each * weights).sum()
        if len(truth):
            none = torch.nn.functional.logsigmoid(-(sentences @ w + b))  # log P(clause is not about the aspect)
            silent = torch.zeros_like(truth).index_add(0, owner, none).clamp(max=-1e-9)
            value = value - label_weight * (truth * torch.log1p(-torch.exp(silent)) + (1 - truth) * silent).sum()
        return value / total

    return _minimised(data_loss, truth.shape[1], mean, scale, l2, steps)


def fit_classes(
    vectors: np.ndarray, label: np.ndarray, weights: np.ndarray, classes: int, how: tuple[float, int]
) -> Linear:
    """Fit a multinomial logistic regression.

    Args:
        vectors: float32 [n, dim].
        label: Class numbers, int64 [n].
        weights: Weight of each row, float [n].
        classes: Number of classes.
        how: L2 penalty and maximum number of iterations.
    """
    mean, scale = _scaling(vectors)
    inputs, target = torch.from_numpy((vectors - mean) / scale), torch.from_numpy(label)
    weight = torch.from_numpy(weights / weights.sum())

    def data_loss(w: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return (torch.nn.functional.cross_entropy(inputs @ w + b, target, reduction="none") * weight).sum()

    return _minimised(data_loss, classes, mean, scale, *how)


def fit_shift(logits: np.ndarray, hits: np.ndarray, truth: np.ndarray, pull: float = 0.02) -> Shift:
    """Fit the calibration (see `Shift`) that combines the aspect logits with the lexicon's hits.

    The bonuses and offsets of the aspects are pulled to their mean, since a single aspect may have few labels.

    Args:
        logits: Greatest logit of each sentence's clauses, by classifiers that did not see the sentence, float64 [n,
            aspects].
        hits: True where the sentence has a word of an aspect's lexicon, bool [n, aspects].
        truth: True where people labelled the sentence with an aspect, bool [n, aspects].
        pull: L2 penalty of the differences between the aspects.
    """
    x, h, y = (torch.from_numpy(a.astype(float)) for a in (logits, hits, truth))
    log_scale, bonus, mean = (torch.zeros((), dtype=torch.float64, requires_grad=True) for _ in range(3))
    bonuses, offsets = (torch.zeros(logits.shape[1], dtype=torch.float64, requires_grad=True) for _ in range(2))

    def loss() -> torch.Tensor:
        z = torch.exp(log_scale.clamp(-1.5, 1.5)) * x + (bonus + bonuses).clamp(0, 6) * h + mean + offsets
        data = torch.nn.functional.binary_cross_entropy_with_logits(z, y, reduction="none").sum(1).mean()
        return data + pull * ((offsets**2).sum() + (bonuses**2).sum()) + 0.01 * (log_scale**2 + (bonus - 1) ** 2)

    minimise([log_scale, bonus, mean, bonuses, offsets], loss, 100)
    scale = float(torch.exp(log_scale.clamp(-1.5, 1.5)).detach())
    return Shift(scale, (bonus + bonuses).clamp(0, 6).detach().numpy(), (mean + offsets).detach().numpy())


def folds_of(groups: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Return the cross-validation fold of each row, int64 [n]; rows of one group are in one fold.

    Args:
        groups: Group of each row, [n].
        folds: Number of folds.
        seed: Seed of the random assignment.
    """
    names, number = np.unique(groups, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(names))
    return np.asarray(order[number] % folds, np.int64)


def _scaling(vectors: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the mean vector, and the divisor that brings centred vectors to a root mean square length of _SPREAD."""
    mean = vectors.mean(axis=0, dtype=float)
    length = np.sqrt(((vectors - mean) ** 2).sum(axis=1).mean())
    return mean, float(max(length, 1e-9) / _SPREAD)


def _minimised(
    data_loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    classes: int,
    mean: np.ndarray,
    scale: float,
    l2: float,
    steps: int,
) -> Linear:
    """Minimise a loss plus the L2 penalty over scaled vectors; return the classifier for unscaled vectors.

    Args:
        data_loss: Function that computes the loss from weights [dim, classes] and bias [classes].
        classes: Number of classes.
        mean: Mean vector that was subtracted from the vectors, [dim].
        scale: Divisor of the centred vectors.
        l2: L2 penalty.
        steps: Maximum number of L-BFGS iterations.
    """
    w = torch.zeros((len(mean), classes), dtype=torch.float64, requires_grad=True)
    b = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    minimise([w, b], lambda: data_loss(w, b) + l2 * (w**2).sum(), steps)
    weights = w.detach().numpy().T / scale
    return Linear(weights, b.detach().numpy() - weights @ mean)
