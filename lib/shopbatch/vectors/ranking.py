"""Selects the best of many scores, exactly and deterministically: of equal scores the lower number comes first."""

from __future__ import annotations

import numpy as np


def best(scores: np.ndarray, numbers: np.ndarray, k: int) -> np.ndarray:
    """Return the positions of the k best scores, best first, int64 [at most k].

    Args:
        scores: float32 [n], no nan.
        numbers: Row number of the product that has each score, int [n]; of equal scores the lower number comes first.
        k: Number of positions wanted.
    """
    if k and len(scores) > 4 * k:  # drop most scores first, because comparing a score is faster than a key
        least = np.partition(scores, len(scores) - k)[len(scores) - k]
        above = np.flatnonzero(scores >= least)
        return (
            above[best(scores[above], numbers[above], k)] if len(above) < len(scores) else _by_key(scores, numbers, k)
        )
    return _by_key(scores, numbers, k)


def _by_key(scores: np.ndarray, numbers: np.ndarray, k: int) -> np.ndarray:
    key = sort_key(scores, numbers)
    if len(key) > k:
        chosen = np.argpartition(key, k)[:k] if k else np.zeros(0, np.int64)
        return chosen[np.argsort(key[chosen])]
    return np.argsort(key)


def sort_key(scores: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Return int64 keys [n] whose ascending order is that of descending scores, then of ascending numbers.

    Args:
        scores: float32 [n].
        numbers: Row number of the product that has each score, int [n], below 2 ** 32.
    """
    # as integers, the bits of positive float32 values ascend with the values; those of negative ones are reversed here;
    # + 0.0 turns -0.0 into 0.0
    bits = (np.asarray(scores, np.float32) + np.float32(0.0)).view(np.int32).astype(np.int64)
    ordered = np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)
    return -(ordered << 32) + numbers.astype(np.int64)
