"""K-means, how far two clusterings agree, and which cluster of today is which of yesterday."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from shopbatch.evaluation.purchases import Floats, Ints

_STARTS, _ROUNDS = 5, 100


def k_means(x: Floats, k: int, seed: int) -> Floats:
    """Find the centres of k clusters by Lloyd's method, the best of several starts (k-means++, Arthur 2007).

    Args:
        x: Rows, float64 [n, dim], with n at least k.
        k: Number of clusters.
        seed: Seed of the starts.

    Returns:
        The centres, float64 [k, dim], in the order of their coordinates.
    """
    best, least = x[:k], np.inf
    for start in range(_STARTS):
        centres = _first_centres(x, k, np.random.default_rng([seed, start]))
        for _ in range(_ROUNDS):
            own = nearest(x, centres)
            moved = np.array([x[own == c].mean(axis=0) if (own == c).any() else centres[c] for c in range(k)])
            if np.array_equal(moved, centres):
                break
            centres = moved
        inertia = float(_distances(x, centres).min(axis=1).sum())
        if inertia < least:
            best, least = centres, inertia
    return np.asarray(best[np.lexsort(best.T[::-1])], np.float64)


def nearest(x: Floats, centres: Floats) -> Ints:
    """Return the number of the nearest centre of each row, int64 [n]."""
    return np.asarray(_distances(x, centres).argmin(axis=1), np.int64)


def adjusted_rand(first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]) -> float:
    """Return the adjusted Rand index of two clusterings of the same rows (Hubert and Arabie 1985); 1: the same."""
    a, b = (np.unique(labels, return_inverse=True)[1] for labels in (first, second))
    table = np.bincount(a * (int(b.max(initial=0)) + 1) + b)
    pairs, rows, columns, whole = (
        float((n * (n - 1) / 2).sum()) for n in (table, np.bincount(a), np.bincount(b), np.array([len(a)]))
    )
    expected = rows * columns / whole if whole else 0.0
    most = (rows + columns) / 2
    return (pairs - expected) / (most - expected) if most != expected else 1.0


def stability(x: Floats, k: int, seed: int, splits: int = 3) -> float:
    """Return the adjusted Rand index of clusterings found in two random halves of the rows, both applied to all.

    Args:
        x: Rows, float64 [n, dim], with n at least 2 k.
        k: Number of clusters.
        seed: Seed of the halves and of the clusters.
        splits: How many splits it is the mean of.
    """
    generator, agreement = np.random.default_rng(seed), []
    for _ in range(splits):
        order = generator.permutation(len(x))
        halves = order[: len(x) // 2], order[len(x) // 2 :]
        agreement.append(adjusted_rand(*(nearest(x, k_means(x[half], k, seed)) for half in halves)))
    return float(np.mean(agreement))


def match(before: Floats, now: Floats, most: float) -> Ints:
    """Match centres with former ones so that the sum of distances is least (Kuhn 1955, the Hungarian method).

    Args:
        before: Former centres, float64 [m, dim].
        now: Centres, float64 [k, dim].
        most: Greatest distance of a pair.

    Returns:
        For each centre the number of its former one, or -1, int64 [k].
    """
    out = np.full(len(now), -1, np.int64)
    if len(before) and len(now):
        distance = np.sqrt(_distances(now, before))
        for row, column in zip(*linear_sum_assignment(distance), strict=True):
            if distance[row, column] <= most:
                out[row] = column
    return out


def _first_centres(x: Floats, k: int, generator: np.random.Generator) -> Floats:
    centres = [x[generator.integers(len(x))]]
    for _ in range(1, k):
        far = _distances(x, np.array(centres)).min(axis=1)
        chance = far / far.sum() if far.sum() else None
        centres.append(x[generator.choice(len(x), p=chance)])
    return np.array(centres)


def _distances(x: Floats, centres: Floats) -> Floats:
    """Squared distances, float64 [n, k]."""
    return np.asarray(((x[:, None, :] - centres[None, :, :]) ** 2).sum(axis=2), np.float64)
