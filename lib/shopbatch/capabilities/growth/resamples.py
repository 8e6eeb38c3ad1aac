"""Bootstrap weights of cascades: a Poisson(1) draw per cascade and resample, computed from a hash of the root's id.

The users of one cascade are scattered over all parts of the data. Because the weight depends only on the hash, every
Spark task finds the same weight without communication. This is the Poisson bootstrap for clusters (Chamandy et al.
2012, "Estimating uncertainty for massive data streams").
"""

from __future__ import annotations

from math import exp, factorial

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Hashes = npt.NDArray[np.uint64]

_GOLDEN, _MIX1, _MIX2 = (np.uint64(w) for w in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
_LANES = 4  # 16-bit draws in one 64-bit hash


def _table() -> npt.NDArray[np.float32]:
    """Return the Poisson(1) draw for each value of 16 random bits, float32 [65536]."""
    shares = np.array([exp(-1) / factorial(n) for n in range(9)])
    limits = np.round(np.cumsum(shares) * 2**16)
    return np.searchsorted(limits, np.arange(2**16), side="right").astype(np.float32)


_POISSON = _table()


def weights(roots: Hashes, resamples: int) -> npt.NDArray[np.float32]:
    """Return how many times each cascade occurs in each resample.

    Args:
        roots: 64-bit hashes of the cascades' roots [n].
        resamples: Number of resamples, R.

    Returns:
        Weights, float32 [n, 1 + R]; the first column is 1 (the data as they are).
    """
    words = -(-resamples // _LANES)
    with np.errstate(over="ignore"):
        z = roots[:, None] + (np.arange(1, words + 1, dtype=np.uint64) * _GOLDEN)[None, :]
        z ^= z >> np.uint64(30)
        z *= _MIX1
        z ^= z >> np.uint64(27)
        z *= _MIX2
        z ^= z >> np.uint64(31)
    lanes = z.view(np.uint16).reshape(len(roots), words * _LANES)[:, :resamples]
    return np.concatenate([np.ones((len(roots), 1), np.float32), _POISSON[lanes]], axis=1)


def normal_limits(values: Floats, draws: Floats, confidence: float, least: float = 1e-9) -> tuple[Floats, Floats]:
    """Return intervals of positive estimates: normal intervals of their logarithms, with the width from the resamples.

    On the logarithmic scale the distribution of a rate is more symmetric, and the lower end stays above 0.

    Args:
        values: The estimates [...].
        draws: The estimates in each resample [R, ...].
        confidence: Confidence of the intervals, such as 0.95.
        least: Smaller draws are raised to this before the logarithm.

    Returns:
        The lower and the upper ends [...].
    """
    from scipy.special import ndtri

    logs = np.log(np.maximum(draws, least))
    spread = float(ndtri(0.5 + confidence / 2)) * logs.std(axis=0, ddof=1)
    return values * np.exp(-spread), values * np.exp(spread)
