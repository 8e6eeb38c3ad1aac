"""Fits the classifiers of aspects, polarity and kinds. Pure functions of vectors; the same input, the same result.

A sentence that a person labelled says which aspects it has, but not which of its clauses is about each. So its
probability is that at least one clause is (noisy-or, as in multiple-instance learning: Dietterich et al. 1997).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from shopbatch.training.one_thread import minimise

_SPREAD = 20.0  # length of the mean vector after scaling, which gives the L2 penalties their scale


@dataclass(frozen=True)
class Weak:
    """Clauses with labels from a lexicon.

    Attributes:
        vectors: float32 [n, dim].
        hits: Which aspects' lexicons have a word of the clause, bool [n, aspects].
        weights: float [n].
    """

    vectors: np.ndarray
    hits: np.ndarray
    weights: np.ndarray


@dataclass(frozen=True)
class Labelled:
    """Sentences that people labelled.

    Attributes:
        vectors: Vectors of their clauses, float32 [clauses, dim].
        owner: The sentence of each clause, int64 [clauses], ascending; every sentence has at least one clause.
        hits: Which aspects' lexicons have a word of each clause, bool [clauses, aspects].
        truth: Which aspects each sentence has, bool [sentences, aspects].
        groups: What each sentence is from, int64 [sentences]: a group is in one fold.
    """

    vectors: np.ndarray
    owner: np.ndarray
    hits: np.ndarray
    truth: np.ndarray
    groups: np.ndarray

    def take(self, sentences: np.ndarray) -> Labelled:
        """The sentences of a mask, bool [sentences]."""
        clauses = sentences[self.owner]
        number = np.cumsum(sentences) - 1
        rows = self.vectors[clauses], number[self.owner[clauses]], self.hits[clauses]
        return Labelled(*rows, self.truth[sentences], self.groups[sentences])

    def strongest(self, logits: np.ndarray) -> np.ndarray:
        """The greatest logit of each sentence's clauses, float64 [sentences, aspects]."""
        best = np.full((len(self.truth), logits.shape[1]), -np.inf)
        np.maximum.at(best, self.owner, logits)
        return best


@dataclass(frozen=True)
class Linear:
    """Weights float64 [classes, dim] and bias [classes] of vectors as they come."""

    weights: np.ndarray
    bias: np.ndarray

    def logits(self, vectors: np.ndarray) -> np.ndarray:
        """float64 [n, classes]."""
        return np.asarray(vectors.astype(float) @ self.weights.T + self.bias)


@dataclass(frozen=True)
class Shift:
    """How the logits of aspects and the lexicon's hits are put together.

    P(aspect) = sigmoid(scale * logit + bonuses of the aspect * hit + offsets of the aspect).

    Attributes:
        scale: Above 0.
        bonuses, offsets: float64 [aspects].
    """

    scale: float
    bonuses: np.ndarray
    offsets: np.ndarray

    def apply(self, logits: np.ndarray, hits: np.ndarray) -> np.ndarray:
        """Logits of the aspects, float64 [n, aspects]."""
        return np.asarray(self.scale * logits + hits * self.bonuses + self.offsets)


def fit_aspects(weak: Weak, labelled: Labelled, label_weight: float, l2: float, steps: int) -> Linear:
    """Fit a logistic classifier per aspect.

    The loss is the mean over clauses and sentences, weighted, of the sum over aspects, plus l2 times the squared
    weights on vectors that are centred and scaled to a common length.
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
            none = torch.nn.functional.logsigmoid(-(sentences @ w + b))  # log of: the clause is not about it
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
    """Fit how the logits of aspects and the lexicon's hits are put together.

    What differs between the aspects is pulled to their mean, since an aspect may have few labels.

    Args:
        logits: The strongest of each sentence, by classifiers that did not see it, float64 [n, aspects].
        hits: Whether the sentence has a word of the lexicon, bool [n, aspects].
        truth: bool [n, aspects].
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
    """Return the fold of each row, int64 [n]; rows of one group are in one fold."""
    names, number = np.unique(groups, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(names))
    return np.asarray(order[number] % folds, np.int64)


def _scaling(vectors: np.ndarray) -> tuple[np.ndarray, float]:
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
    w = torch.zeros((len(mean), classes), dtype=torch.float64, requires_grad=True)
    b = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    minimise([w, b], lambda: data_loss(w, b) + l2 * (w**2).sum(), steps)
    weights = w.detach().numpy().T / scale
    return Linear(weights, b.detach().numpy() - weights @ mean)
