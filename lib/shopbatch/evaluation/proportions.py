"""Estimates shares from small counts: empirical-Bayes shrinkage towards the common share, and intervals.

The shares of all groups are assumed to come from one Beta distribution, which is fitted to the counts by moments
(Kleinman 1973, "Proportions with extraneous variance: single and independent samples", JASA 68); the posterior of a
group is again a Beta distribution. The estimate of a group with few rows stays near the common share.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

_UNKNOWN_STRENGTH = 10.0  # rows that the common share counts as if the groups do not show how much they differ
_LEAST, _MOST = 0.001, 0.5  # limits of the correlation within a group: a strength between 999 rows and 1 row
_ROUNDS = 50
_TINY = 1e-300


@dataclass(frozen=True)
class Prior:
    """The Beta distribution that the groups' shares come from.

    Attributes:
        mean: The common share, 0 to 1.
        strength: How many rows the common share counts as in the estimate of a group.
    """

    mean: float
    strength: float

    @property
    def alpha(self) -> float:
        """Return the first Beta parameter: the pseudo-count of hits."""
        return self.mean * self.strength

    @property
    def beta(self) -> float:
        """Return the second Beta parameter: the pseudo-count of misses."""
        return (1 - self.mean) * self.strength


def fit_prior(hits: np.ndarray, rows: np.ndarray) -> Prior:
    """Fit the Beta distribution of the groups' shares by moments, with weights that are refined iteratively.

    Args:
        hits: Hits per group, [n].
        rows: Rows per group, [n], each at least 1.
    """
    total = float(rows.sum())
    if total == 0:
        return Prior(0.5, _UNKNOWN_STRENGTH)
    shares, correlation = hits / rows, None
    low = 0.5 / (total + 1)  # keeps the common share off 0 and 1, which would force every group's share to it
    mean = float(np.clip(hits.sum() / total, low, 1 - low))
    for _ in range(_ROUNDS):
        weights = rows / (1 + (correlation or 0.0) * (rows - 1))
        mean = float(np.clip((weights * shares).sum() / weights.sum(), low, 1 - low))
        spread = float((weights * (shares - mean) ** 2).sum()) / (mean * (1 - mean))
        free = weights * (1 - weights / weights.sum())
        within, between = float((free / rows).sum()), float((free * (1 - 1 / rows)).sum())
        if between <= 0:  # one group, or one row in each
            return Prior(mean, _UNKNOWN_STRENGTH)
        last, correlation = correlation, float(np.clip((spread - within) / between, _LEAST, _MOST))
        if last is not None and abs(correlation - last) < 1e-9:
            break
    return Prior(mean, 1 / (correlation or _LEAST) - 1)


def shrunken_shares(
    hits: np.ndarray, rows: np.ndarray, prior: Prior, level: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the shrunken share of each group (its posterior mean) with a credible interval.

    Args:
        hits: Hits per group, [n].
        rows: Rows per group, [n].
        prior: The distribution of the shares, from `fit_prior`.
        level: Probability inside the central interval, such as 0.9.

    Returns:
        The shares, and the lower and upper ends of their intervals, float [n] each.
    """
    pairs, place = np.unique(np.column_stack([hits, rows]).astype(np.float64), axis=0, return_inverse=True)
    place = place.reshape(-1)
    alpha, beta = pairs[:, 0] + prior.alpha, pairs[:, 1] - pairs[:, 0] + prior.beta
    low, high = (beta_quantile(q, alpha, beta) for q in ((1 - level) / 2, (1 + level) / 2))
    return (alpha / (alpha + beta))[place], low[place], high[place]


def beta_quantile(probability: float, alpha: np.ndarray, beta: np.ndarray) -> np.ndarray:
    """Return the quantile of each Beta distribution, float [n], by Newton's method inside a bracket.

    Args:
        probability: Between 0 and 1, exclusive.
        alpha: First parameters, positive, [n].
        beta: Second parameters, positive, [n].
    """
    alpha, beta = np.asarray(alpha, np.float64), np.asarray(beta, np.float64)
    low, high = np.zeros_like(alpha), np.ones_like(alpha)
    x: np.ndarray = alpha / (alpha + beta)
    todo = np.arange(len(x))
    for _ in range(_ROUNDS):
        at, a, b = x[todo], alpha[todo], beta[todo]
        off = _beta_cdf(at, a, b) - probability
        low[todo], high[todo] = np.where(off < 0, at, low[todo]), np.where(off < 0, high[todo], at)
        with np.errstate(over="ignore"):
            step = at - off / np.maximum(np.exp(_log_density(at, a, b)), _TINY)
        inside = (step > low[todo]) & (step < high[todo])
        x[todo] = np.where(inside, step, (low[todo] + high[todo]) / 2)
        todo = todo[np.abs(x[todo] - at) > 1e-10]
        if not len(todo):
            break
    return x


def difference_interval(
    hits: np.ndarray, rows: np.ndarray, hits_before: np.ndarray, rows_before: np.ndarray, level: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the confidence interval of each group's change of share (this period minus the period before).

    It is Newcombe's hybrid score interval (1998, "Interval estimation for the difference between independent
    proportions", Statistics in Medicine 17, method 10), which holds its level also where counts are small.

    Args:
        hits: Hits per group in this period, [n].
        rows: Rows per group in this period, [n], each at least 1.
        hits_before: Hits per group in the period before, [n].
        rows_before: Rows per group in the period before, [n], each at least 1.
        level: Probability that the interval covers the difference, such as 0.95.

    Returns:
        The lower and the upper ends, float [n] each, between -1 and 1.
    """
    z = NormalDist().inv_cdf((1 + level) / 2)
    now, low, high = _wilson(hits, rows, z)
    before, low_before, high_before = _wilson(hits_before, rows_before, z)
    gap = now - before
    return gap - np.hypot(now - low, high_before - before), gap + np.hypot(high - now, before - low_before)


def score_interval(hits: np.ndarray, rows: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Return Wilson's score interval (1927) of each share: the lower and the upper ends, float [n] each.

    Args:
        hits: Hits per group, [n].
        rows: Rows per group, [n], each at least 1.
        level: Probability that the interval holds the true share, such as 0.95.
    """
    _, low, high = _wilson(hits, rows, NormalDist().inv_cdf((1 + level) / 2))
    return np.clip(low, 0, 1), np.clip(high, 0, 1)


def student_quantile(probability: float, freedom: np.ndarray) -> np.ndarray:
    """Return the quantile of Student's t distribution, float [n], right to three digits from 5 degrees of freedom on.

    It uses Hill's expansion about the normal quantile (Abramowitz and Stegun 26.7.5).

    Args:
        probability: Between 0 and 1, exclusive.
        freedom: Degrees of freedom, [n], each at least 1.
    """
    z, v = NormalDist().inv_cdf(probability), np.maximum(np.asarray(freedom, np.float64), 1.0)
    first, second = (z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return np.asarray(z + first / v + second / v**2 + third / v**3)


def _wilson(hits: np.ndarray, rows: np.ndarray, z: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (share, lower end, upper end) of Wilson's score interval with the normal quantile `z`, float [n] each."""
    share = hits / rows
    middle, wide = share + z * z / (2 * rows), z * np.sqrt(share * (1 - share) / rows + (z / (2 * rows)) ** 2)
    whole = 1 + z * z / rows
    return share, np.minimum((middle - wide) / whole, share), np.maximum((middle + wide) / whole, share)


def _log_density(x: np.ndarray, alpha: np.ndarray, beta: np.ndarray) -> np.ndarray:
    """Return the logarithm of the Beta density at each `x`, float [n]."""
    lgamma = np.vectorize(math.lgamma, otypes=[np.float64])
    with np.errstate(divide="ignore"):
        curve = (alpha - 1) * np.log(x) + (beta - 1) * np.log1p(-x)
    return np.asarray(lgamma(alpha + beta) - lgamma(alpha) - lgamma(beta) + curve)


def _beta_cdf(x: np.ndarray, alpha: np.ndarray, beta: np.ndarray) -> np.ndarray:
    """Return the Beta distribution function at each `x`, float [n], 0 to 1.

    It is the regularised incomplete beta function, by its continued fraction (Numerical Recipes, section 6.4).
    """
    flip = x > (alpha + 1) / (alpha + beta + 2)  # the fraction converges fast on one side of the mean only
    a, b, y = np.where(flip, beta, alpha), np.where(flip, alpha, beta), np.where(flip, 1 - x, x)
    front = np.exp(_log_density(y, a, b) + np.log(np.maximum(y, _TINY)) + np.log1p(-np.minimum(y, 1 - 1e-16))) / a
    tail = front * _continued_fraction(y, a, b)
    return np.asarray(np.where(flip, 1 - tail, tail))


def _continued_fraction(x: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Evaluate the continued fraction of the incomplete beta function by Lentz's method, float [n]."""
    c, d = np.ones_like(x), 1 / _away_from_zero(1 - (a + b) * x / (a + 1))
    value: np.ndarray = d.copy()
    change = np.ones_like(x)
    for m in range(1, 10_000):
        for numerator in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / _away_from_zero(1 + numerator * d)
            c = _away_from_zero(1 + numerator / c)
            change = d * c
            value = value * change
        if np.all(np.abs(change - 1) < 1e-12):
            break
    return value


def _away_from_zero(values: np.ndarray) -> np.ndarray:
    return np.where(np.abs(values) < _TINY, _TINY, values)
