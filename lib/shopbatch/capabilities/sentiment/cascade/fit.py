"""From which score on a small model answers: so sure that its labels are the large model's. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from shopbatch.capabilities.sentiment.examples import OTHER
from shopbatch.capabilities.sentiment.head import SentimentHead
from shopbatch.evaluation.proportions import score_interval
from shopbatch.evaluation.selective import NEVER, agreeing_bound


@dataclass(frozen=True)
class Answers:
    """What two models say of the same examples.

    Attributes:
        small, large: Probabilities, [n, 3].
        language: The language of each example, [n].
    """

    small: np.ndarray
    large: np.ndarray
    language: np.ndarray

    @property
    def score(self) -> np.ndarray:
        """The small model's probability of its label, [n]."""
        return np.asarray(self.small.max(axis=1), np.float64)

    @property
    def same(self) -> np.ndarray:
        """Whether both give the same label, bool [n]."""
        return np.asarray(self.small.argmax(axis=1) == self.large.argmax(axis=1))

    def take(self, rows: np.ndarray) -> Answers:
        """Return some of the examples."""
        return Answers(self.small[rows], self.large[rows], self.language[rows])


def fit_bounds(answers: Answers, agreement: float, confidence: float, min_rows: int) -> dict[str, float]:
    """Return the bound of each language.

    Args:
        answers: What both models say of examples that neither was fitted to.
        agreement: Least share of a language's rows whose label is the large model's.
        confidence: How sure.
        min_rows: Rows that a language needs; with fewer, the small model never answers.
    """
    bounds = {OTHER: NEVER}
    for name in sorted(set(answers.language.tolist())):
        rows = answers.language == name
        enough = int(rows.sum()) >= min_rows
        bound = agreeing_bound(answers.score[rows], answers.same[rows], agreement, confidence) if enough else None
        bounds[name] = bound.score if bound is not None else NEVER
    return bounds


def held(answers: Answers, bounds: Mapping[str, float], label: np.ndarray | None = None) -> dict[str, Any]:
    """Return by language: rows, the share that the small model answers, and how often the label is the large one's.

    Args:
        answers: What both models say.
        bounds: The bound of each language.
        label: What is right, int [n]; None where it is not known.
    """
    bound = np.array([bounds.get(name, bounds[OTHER]) for name in answers.language.tolist()])
    answered = answers.score >= bound
    agrees = answers.same | ~answered
    figures: dict[str, Any] = {}
    for name in ["all", *sorted(set(answers.language.tolist()))]:
        rows = np.full(len(agrees), True) if name == "all" else answers.language == name
        count = int(rows.sum())
        if not count:
            continue
        low, high = score_interval(np.array([agrees[rows].sum()]), np.array([count]), 0.95)
        figures[name] = {
            "rows": count,
            "answered": round(float(answered[rows].mean()), 4),
            "agreement": {
                "value": round(float(agrees[rows].mean()), 5),
                "low": round(float(low[0]), 5),
                "high": round(float(high[0]), 5),
            },
        }
    return figures


def answers_of(
    small: SentimentHead, large: SentimentHead, vectors: tuple[np.ndarray, np.ndarray], language: pa.Array
) -> Answers:
    """Return what two heads say.

    Args:
        small, large: The heads.
        vectors: The vectors of the small encoder and of the large one.
        language: The language of each example, string [n].
    """
    first, second = (head.probabilities(v, language) for head, v in zip((small, large), vectors, strict=True))
    return Answers(first, second, np.asarray(language.to_pylist()))
