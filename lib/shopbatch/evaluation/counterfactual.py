"""What a change of one word does to a score, over many sentences: mean shifts with intervals and corrected p-values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

RESAMPLES = 4000


@dataclass(frozen=True)
class Shifts:
    """How far each term moves a score from the mean of all terms, over the same frames.

    Attributes:
        mean: Mean shift over the frames, float64 [terms].
        low, high: 95 % percentile bootstrap interval over frames, float64 [terms].
        p: Two-sided bootstrap p-value of "the mean shift is 0", corrected over the terms by Holm, float64 [terms].
        greatest: The greatest shift in one frame, with its sign, float64 [terms].
        gaps: The range of the score over the terms in each frame, float64 [frames].
    """

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p: np.ndarray
    greatest: np.ndarray
    gaps: np.ndarray


def shifts(scores: np.ndarray, seed: int, resamples: int = RESAMPLES) -> Shifts:
    """Compare terms that were put into the same frames.

    Frames are redrawn, not rows: the terms of a frame share its words, and another set of frames is what would be
    asked next time.

    Args:
        scores: float [frames, terms].
        seed: Seed of the bootstrap.
        resamples: Number of redraws; no p-value is below 2 / (resamples + 1) before the correction.
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
    """Return p-values corrected for their number (Holm 1979), in the same order: all of them hold together."""
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p))))
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected
