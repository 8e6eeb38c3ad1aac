"""K-means clustering, the stability of a clustering, and the matching of today's clusters with yesterday's.

`segment_users` uses it to group users.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from shopbatch.evaluation.purchases import Floats, Ints

_STARTS, _ROUNDS = 5, 100


def k_means(x: Floats, k: int, seed: int) -> Floats:
    """Return the centres of k clusters found by Lloyd's k-means, the best of five starts (k-means++, Arthur 2007).

    Args:
        x: Rows, float64 [n, dim], with n at least k.
        k: Number of clusters.
        seed: Seed of the starts.

    Returns:
        The centres, float64 [k, dim], sorted by their coordinates so that the order does not depend on chance.
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
    """Return the number of the nearest centre (Euclidean distance) for each row of `x` [n, dim], int64 [n]."""
    return np.asarray(_distances(x, centres).argmin(axis=1), np.int64)


def adjusted_rand(first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]) -> float:
    """Return the adjusted Rand index of two clusterings of the same rows (Hubert and Arabie 1985).

    It is 1 for equal clusterings and about 0 for unrelated ones.

    Args:
        first: Cluster number of each row, int64 [n].
        second: Cluster number of each row in the second clustering, int64 [n].
    """
    a, b = (np.unique(labels, return_inverse=True)[1] for labels in (first, second))
    table = np.bincount(a * (int(b.max(initial=0)) + 1) + b)
    pairs, rows, columns, whole = (
        float((n * (n - 1) / 2).sum()) for n in (table, np.bincount(a), np.bincount(b), np.array([len(a)]))
    )
    expected = rows * columns / whole if whole else 0.0
    most = (rows + columns) / 2
    return (pairs - expected) / (most - expected) if most != expected else 1.0


def stability(x: Floats, k: int, seed: int, splits: int = 3) -> float:
    """Return how stable a clustering into k clusters is, as a mean adjusted Rand index: 1 if it is fully reproducible.

    The rows are split into random halves, each half is clustered, and both sets of centres are applied to all rows; the
    index compares the resulting clusterings.

    Args:
        x: Rows, float64 [n, dim], with n at least 2 k.
        k: Number of clusters.
        seed: Seed of the halves and of the clusters.
        splits: Number of splits over which the index is averaged.
    """
    generator, agreement = np.random.default_rng(seed), []
    for _ in range(splits):
        order = generator.permutation(len(x))
        halves = order[: len(x) // 2], order[len(x) // 2 :]
        agreement.append(adjusted_rand(*(nearest(x, k_means(x[half], k, seed)) for half in halves)))
    return float(np.mean(agreement))


def match(before: Floats, now: Floats, most: float) -> Ints:
    """Match new cluster centres with former ones so that the sum of distances is least.

    The method is the Hungarian one (Kuhn 1955).

    Args:
        before: Former centres, float64 [m, dim].
        now: New centres, float64 [k, dim].
        most: Greatest distance at which two centres may be matched.

    Returns:
        For each new centre the number of its former centre, or -1 if it has none, int64 [k].
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
    """Return the squared distance of each row to each centre, float64 [n, k]."""
    return np.asarray(((x[:, None, :] - centres[None, :, :]) ** 2).sum(axis=2), np.float64)
