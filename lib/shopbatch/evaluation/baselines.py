"""Baselines that a classifier has to beat: no model, or a very small one. All return class numbers, int64 [n]."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_BUCKETS = 2**18


def majority(train: np.ndarray, rows: int) -> np.ndarray:
    """Predict the most frequent class of the training labels for every row; of equally frequent ones the lowest."""
    return np.full(rows, np.bincount(train).argmax(), np.int64)


def vader(texts: Sequence[str], negative: int, positive: int) -> np.ndarray | None:
    """Predict with the English lexicon VADER (Hutto and Gilbert 2014): positive where its compound score is above 0.

    Args:
        texts: English texts.
        negative: Number of the negative class.
        positive: Number of the positive class.

    Returns:
        The classes, or None if the package vaderSentiment is not installed.
    """
    if importlib.util.find_spec("vaderSentiment") is None:
        return None
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    lexicon = SentimentIntensityAnalyzer()
    compound = np.array([lexicon.polarity_scores(t)["compound"] for t in texts], float)
    return np.where(compound > 0, positive, negative).astype(np.int64)


@dataclass(frozen=True)
class CharacterBayes:
    """Multinomial naive Bayes over pairs of neighbouring characters (Manning et al. 2008, section 13.2).

    It needs no word boundaries, which Chinese does not mark. weights: float [classes, buckets]. prior: [classes].
    """

    weights: np.ndarray
    prior: np.ndarray

    @classmethod
    def fit(cls, texts: Sequence[str], labels: np.ndarray) -> CharacterBayes:
        """Count the pairs of the training texts, with add-one smoothing.

        Args:
            texts: Training texts.
            labels: Their class numbers, int [n].
        """
        row, bucket = _pairs(texts)
        classes = int(labels.max()) + 1
        cells = labels[row].astype(np.int64) * _BUCKETS + bucket
        counts = np.bincount(cells, minlength=classes * _BUCKETS).reshape(classes, _BUCKETS) + 1.0
        with np.errstate(divide="ignore"):  # a class without rows has probability 0
            prior = np.log(np.bincount(labels, minlength=classes) / len(labels))
        return cls(np.log(counts / counts.sum(axis=1, keepdims=True)), prior)

    def predict(self, texts: Sequence[str]) -> np.ndarray:
        """Return the most probable class of each text."""
        row, bucket = _pairs(texts)
        scores = [np.bincount(row, weights[bucket], len(texts)) for weights in self.weights]
        return np.asarray((np.column_stack(scores) + self.prior).argmax(axis=1), np.int64)


def _pairs(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return (row, bucket) of every pair of neighbouring characters; a text begins and ends with a line feed."""
    joined = "".join(f"\n{t}\n" for t in texts)
    points = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.int64)
    row = np.repeat(np.arange(len(texts)), [len(t) + 2 for t in texts])
    same = row[1:] == row[:-1]
    bucket = (points[:-1] * 1_000_003 + points[1:]) % _BUCKETS
    return row[:-1][same], bucket[same]
