"""A text classifier without an encoder, as a baseline: TF-IDF of hashed n-grams, and a logistic regression on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from shopbatch.text.ngrams import BUCKETS, hashed_ngrams, rarity
from shopbatch.training.logistic import fit_logistic

_PENALTY = 0.1
_STEPS = 60


@dataclass(frozen=True)
class NgramClassifier:
    """A fitted logistic regression on TF-IDF of n-grams; classes are numbers from 0.

    Attributes:
        rarity: Inverse document frequency of each hash bucket, float64 [BUCKETS].
        weights: float64 [BUCKETS, classes].
        bias: float64 [classes].
    """

    rarity: np.ndarray
    weights: np.ndarray
    bias: np.ndarray

    @classmethod
    def fit(cls, texts: Sequence[str], label: np.ndarray, classes: int, weight: np.ndarray) -> NgramClassifier:
        """Fit the classifier to labelled texts.

        Args:
            texts: The texts.
            label: Class numbers from 0, int [n].
            classes: Number of classes.
            weight: Weight of each text, float [n].
        """
        counted = [hashed_ngrams(text) for text in texts]
        files = np.bincount(np.concatenate([numbers for numbers, _ in counted]), minlength=BUCKETS)
        rare = rarity(files, len(texts))
        weights, bias = fit_logistic(_matrix(counted, rare), label, classes, _PENALTY, weight, _STEPS)
        return cls(rare, weights, bias)

    def scores(self, texts: Sequence[str]) -> np.ndarray:
        """Return the score (logit) of each class for each text, float64 [n, classes]."""
        return np.asarray(ngram_scores(texts, self.rarity, self.weights) + self.bias)


def ngram_scores(texts: Sequence[str], rare: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the contribution of a text's n-grams to the score of each class, float64 [n, classes], without the bias.

    Args:
        texts: The texts.
        rare: Inverse document frequency of each hash bucket, float64 [BUCKETS].
        weights: Weights of the classifier, [BUCKETS, classes].
    """
    matrix = _matrix([hashed_ngrams(text) for text in texts], rare)
    return np.asarray(torch.sparse.mm(matrix.double(), torch.from_numpy(weights.astype(np.float64))).numpy())


def _matrix(counted: Sequence[tuple[np.ndarray, np.ndarray]], rare: np.ndarray) -> torch.Tensor:
    """Return the TF-IDF vectors of texts, scaled to length 1, as a sparse tensor [texts, BUCKETS].

    Args:
        counted: Buckets and counts of each text's n-grams.
        rare: Inverse document frequency of each bucket.
    """
    rows = np.repeat(np.arange(len(counted)), [len(numbers) for numbers, _ in counted])
    columns = np.concatenate([numbers for numbers, _ in counted])
    values = np.concatenate([counts for _, counts in counted]) * rare[columns]
    length = np.sqrt(np.bincount(rows, values**2, len(counted)))
    place = torch.from_numpy(np.stack([rows, columns]))
    entries = torch.from_numpy((values / length[rows]).astype(np.float32))
    return torch.sparse_coo_tensor(place, entries, (len(counted), BUCKETS), check_invariants=True).coalesce()
