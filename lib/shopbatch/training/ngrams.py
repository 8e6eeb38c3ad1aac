"""A baseline of classifiers of texts: TF-IDF of character n-grams and words, and a logistic regression on them."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from shopbatch.training.logistic import fit_logistic

_PIECES = re.compile(r"[^\W_\u4e00-\u9fff]+|[\u4e00-\u9fff]+")
_PENALTY = 0.1
_STEPS = 60


@dataclass(frozen=True)
class NgramClassifier:
    """A logistic regression on n-grams; classes are numbers from 0.

    Attributes:
        column: The column of each n-gram of the training texts.
        rarity: Its inverse document frequency, [n-grams].
        weights: [n-grams, classes].
        bias: [classes].
    """

    column: dict[str, int]
    rarity: np.ndarray
    weights: np.ndarray
    bias: np.ndarray

    @classmethod
    def fit(cls, texts: Sequence[str], label: np.ndarray, classes: int, weight: np.ndarray) -> NgramClassifier:
        """Fit it to texts with class numbers, int [n], and weights, float [n]."""
        counted = [Counter(ngrams(text)) for text in texts]
        files = Counter(gram for each in counted for gram in each)
        column = {gram: number for number, gram in enumerate(sorted(files))}
        rarity = np.log((1 + len(texts)) / (1 + np.array([files[gram] for gram in column], np.float64))) + 1
        weights, bias = fit_logistic(_matrix(counted, column, rarity), label, classes, _PENALTY, weight, _STEPS)
        return cls(column, rarity, weights, bias)

    def scores(self, texts: Sequence[str]) -> np.ndarray:
        """Return the score of each class, float [n, classes]."""
        matrix = _matrix([Counter(ngrams(text)) for text in texts], self.column, self.rarity)
        return np.asarray(
            torch.sparse.mm(matrix, torch.from_numpy(self.weights.astype(np.float32))).numpy() + self.bias
        )


def ngrams(text: str) -> list[str]:
    """Return the n-grams of a text: words, and runs of 3 to 5 characters in them; of Chinese, runs of 1 to 3."""
    out: list[str] = []
    for piece in _PIECES.findall(unicodedata.normalize("NFKC", text).lower()):
        chinese = "\u4e00" <= piece[0] <= "\u9fff"
        whole = piece if chinese else f"<{'0' if piece.isdigit() else piece}>"
        out += [] if chinese else [f"={whole}"]
        sizes = (1, 2, 3) if chinese else (3, 4, 5)
        out += [whole[i : i + n] for n in sizes for i in range(len(whole) - n + 1)]
    return out


def _matrix(counted: Sequence[Counter[str]], column: dict[str, int], rarity: np.ndarray) -> torch.Tensor:
    """Return rows of length 1 as a sparse tensor [texts, n-grams]."""
    cells = [
        (row, column[g], 1 + np.log(n)) for row, each in enumerate(counted) for g, n in each.items() if g in column
    ]
    rows, columns, values = (np.array(part) for part in zip(*cells, strict=True)) if cells else (np.zeros(0),) * 3
    rows, columns = rows.astype(np.int64), columns.astype(np.int64)
    values = values * rarity[columns]
    length = np.sqrt(np.bincount(rows, values**2, len(counted)))
    values = (values / length[rows]).astype(np.float32)
    place = torch.from_numpy(np.stack([rows, columns]))
    shape = (len(counted), len(column))
    return torch.sparse_coo_tensor(place, torch.from_numpy(values), shape, check_invariants=True).coalesce()
