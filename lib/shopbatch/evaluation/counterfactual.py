"""Measures how far the swap of one term in a sentence moves a score: mean shifts with intervals and p-values.

`audit_bias` puts terms such as names into the same sentence frames and compares the sentiment scores.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

RESAMPLES = 4000


@dataclass(frozen=True)
class Shifts:
    """How far each term moves the score from the mean of all terms in the same frame (a sentence with a gap).

    Attributes:
        mean: Mean shift over the frames, float64 [terms].
        low, high: Ends of the 95 % percentile bootstrap interval over frames, float64 [terms].
        p: Two-sided bootstrap p-value of "the mean shift is 0", corrected over the terms by Holm, float64 [terms].
        greatest: The shift with the greatest size in any one frame, with its sign, float64 [terms].
        gaps: Range of the score over the terms (greatest minus least) in each frame, float64 [frames].
    """

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p: np.ndarray
    greatest: np.ndarray
    gaps: np.ndarray


def shifts(scores: np.ndarray, seed: int, resamples: int = RESAMPLES) -> Shifts:
    """Compare the scores of terms that were put into the same frames (sentences with a gap).

    The bootstrap draws whole frames, because the scores of a frame share its words, and because a repeated test would
    use other frames.

    Args:
        scores: Score of each frame with each term, float [frames, terms].
        seed: Seed of the bootstrap.
        resamples: Number of bootstrap samples; no p-value is below 2 / (resamples + 1) before the correction.
    """
    moved = scores - scores.mean(axis=1, keepdims=True)
    rows = np.random.default_rng(seed).integers(0, len(moved), (resamples, len(moved)))
    weights = np.stack([np.bincount(drawn, minlength=len(moved)) for drawn in rows]) / len(moved)
    means = weights @ moved
    low, high = np.quantile(means, (0.025, 0.975), axis=0)
    below, above = (means <= 0).sum(axis=0), (means >= 0).sum(axis=0)
    raw = np.minimum(1.0, 2 * (np.minimum(below, above) + 1) / (resamples + 1))
    furthest = np.abs(moved).argmax(axis=0)
    return Shifts(
        moved.mean(axis=0),
        low,
        high,
        holm(raw),
        moved[furthest, np.arange(moved.shape[1])],
        scores.max(axis=1) - scores.min(axis=1),
    )


def holm(p: np.ndarray) -> np.ndarray:
    """Return p-values corrected for multiple testing by Holm's method (1979), float [n], in the same order.

    With them, the probability of any false rejection among all tests is at most the level.
    """
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p))))
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected
