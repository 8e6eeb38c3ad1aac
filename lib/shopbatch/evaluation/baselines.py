"""Baseline classifiers that a trained text classifier has to beat: majority class, VADER, naive Bayes.

`train_sentiment_head` reports them beside its model. Each one returns class numbers, int64 [n].
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_BUCKETS = 2**18


def majority(train: np.ndarray, rows: int) -> np.ndarray:
    """Predict the most frequent training class for every row; of equally frequent classes the lowest number.

    Args:
        train: Class numbers of the training rows, int [n].
        rows: Number of rows to predict.

    Returns:
        The same class number `rows` times, int64 [rows].
    """
    return np.full(rows, np.bincount(train).argmax(), np.int64)


def vader(texts: Sequence[str], negative: int, positive: int) -> np.ndarray | None:
    """Predict sentiment with the English lexicon VADER (Hutto and Gilbert 2014).

    A text is positive if its compound score is above 0, else negative.

    Args:
        texts: English texts.
        negative: Number of the negative class.
        positive: Number of the positive class.

    Returns:
        The class number of each text, int64 [n]; None if the package vaderSentiment is not installed.
    """
    if importlib.util.find_spec("vaderSentiment") is None:
        return None
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    lexicon = SentimentIntensityAnalyzer()
    compound = np.array([lexicon.polarity_scores(t)["compound"] for t in texts], float)
    return np.where(compound > 0, positive, negative).astype(np.int64)


@dataclass(frozen=True)
class CharacterBayes:
    """A multinomial naive Bayes classifier over pairs of neighbouring characters (Manning et al. 2008, section 13.2).

    It needs no word boundaries, so it also works for Chinese, which does not mark them. The pairs are hashed into
    buckets.

    Attributes:
        weights: Log probability of each bucket within each class, float [classes, buckets].
        prior: Log share of each class among the training rows, float [classes].
    """

    weights: np.ndarray
    prior: np.ndarray

    @classmethod
    def fit(cls, texts: Sequence[str], labels: np.ndarray) -> CharacterBayes:
        """Fit the classifier: count the character pairs of the training texts by class, with add-one smoothing.

        Args:
            texts: Training texts.
            labels: Class number of each text, int [n].
        """
        row, bucket = _pairs(texts)
        classes = int(labels.max()) + 1
        cells = labels[row].astype(np.int64) * _BUCKETS + bucket
        counts = np.bincount(cells, minlength=classes * _BUCKETS).reshape(classes, _BUCKETS) + 1.0
        with np.errstate(divide="ignore"):  # a class without rows has probability 0
            prior = np.log(np.bincount(labels, minlength=classes) / len(labels))
        return cls(np.log(counts / counts.sum(axis=1, keepdims=True)), prior)

    def predict(self, texts: Sequence[str]) -> np.ndarray:
        """Return the most probable class number of each text, int64 [n]."""
        row, bucket = _pairs(texts)
        scores = [np.bincount(row, weights[bucket], len(texts)) for weights in self.weights]
        return np.asarray((np.column_stack(scores) + self.prior).argmax(axis=1), np.int64)


def _pairs(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return (row, bucket) of every pair of neighbouring characters, int64 [pairs] each.

    Each text is wrapped in line feeds, so its first and last characters form pairs with them.
    """
    joined = "".join(f"\n{t}\n" for t in texts)
    points = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.int64)
    row = np.repeat(np.arange(len(texts)), [len(t) + 2 for t in texts])
    same = row[1:] == row[:-1]
    bucket = (points[:-1] * 1_000_003 + points[1:]) % _BUCKETS
    return row[:-1][same], bucket[same]
