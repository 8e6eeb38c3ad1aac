"""The best of many scores, exactly and the same every time: of equal scores the lower number first."""

from __future__ import annotations

import numpy as np


def best(scores: np.ndarray, numbers: np.ndarray, k: int) -> np.ndarray:
    """Return where the best k scores stand, best first.

    Args:
        scores: float32 [n], no nan.
        numbers: The products' numbers, int [n]; they break ties.
        k: How many.
    """
    if k and len(scores) > 4 * k:  # most are below the k-th best, and a score is quicker to compare than a key
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
    """Return int64 keys that ascend as scores descend and, among equal scores, as numbers ascend."""
    # the bits of a float32 ascend with it as integers once those of the negative ones are turned round; + 0.0 makes
    # one zero of the two
    bits = (np.asarray(scores, np.float32) + np.float32(0.0)).view(np.int32).astype(np.int64)
    ordered = np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)
    return -(ordered << 32) + numbers.astype(np.int64)
