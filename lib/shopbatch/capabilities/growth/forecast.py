"""What is expected to come: a branching process simulated from every resample of the factors.

Joins of a day are children of the users there are (those whom there was no time to bring yet), children of users who
will have come by then, and users who come by themselves at the recent rate. The fan holds what is uncertain in the
factors (one future for each resample) and chance (counts with the spread that was seen). Nothing else is expected to
change.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shopbatch.capabilities.growth.delays import seen_shares
from shopbatch.capabilities.growth.factors import Counts, Factors

Floats = npt.NDArray[np.float64]

_PATHS = 1000  # futures, whatever the number of resamples
_SAME_DAY = 4  # invitations in a row that may lead to joins of one day
_MOMENTS = np.arange(0.125, 1, 0.25)


@dataclass(frozen=True)
class Fan:
    """Joins of the coming days.

    Attributes:
        joins: Expected joins by day [days].
        invited: Those of them by invitation [days].
        daily: Ends of the intervals by day [4, days]: 2.5, 10, 90 and 97.5 %.
        total: Expected joins from the beginning [days].
        totals: Ends of the intervals of the sum [4, days].
    """

    joins: Floats
    invited: Floats
    daily: Floats
    total: Floats
    totals: Floats


def forecast(counts: Counts, factors: Factors, alone: Floats, days: int, seed: int) -> Fan:
    """Simulate the coming days.

    Args:
        counts: What was seen.
        factors: What `factors.estimate` made of it.
        alone: Users who came without an invitation on each of the last days, by channel [recent, A].
        days: Days ahead.
        seed: Of all draws.
    """
    draw = np.random.default_rng(seed)
    _, channels, _, invited = counts.shape
    resamples = len(factors.matrix_draws)
    future = np.arange(_PATHS) % resamples
    base, lags = _expected(counts, factors, days)
    matrix, lag = factors.matrix_draws[future], lags[future]  # [paths, A, B], [paths, B, days]
    spread = _spreads(counts, factors)
    rate = alone.mean(axis=0)
    noise = np.divide(alone.var(axis=0, ddof=1), rate, out=np.ones_like(rate), where=rate > 0).clip(1, None)
    known = draw.gamma(
        np.maximum(rate * len(alone), 1e-9) / noise, noise / len(alone), (_PATHS, channels)
    )  # of the rate
    came = np.zeros((_PATHS, days, channels))
    brought = np.zeros((_PATHS, days, invited))
    for day in range(days):
        came[:, day] = _count(draw, known, noise)
        earlier = np.einsum("psa,pab->psb", came[:, : day + 1], matrix)
        back = lag[:, :, : day + 1][:, :, ::-1]  # by now, those of the first day had the longest time
        mean = base[future, day] + np.einsum("psb,pbs->pb", earlier, back)
        new = _count(draw, mean, spread)
        for _ in range(_SAME_DAY):
            brought[:, day] += new
            came[:, day, :invited] += new
            new = _count(draw, np.einsum("pb,pbc->pc", new, matrix[:, :invited]) * lag[:, :, 0], spread)
    joins, asked = came.sum(axis=2), brought.sum(axis=2)
    ends = (0.025, 0.1, 0.9, 0.975)
    sums = joins.cumsum(axis=1)
    return Fan(
        joins.mean(axis=0),
        asked.mean(axis=0),
        np.quantile(joins, ends, axis=0),
        sums.mean(axis=0),
        np.quantile(sums, ends, axis=0),
    )


def _expected(counts: Counts, factors: Factors, days: int) -> tuple[Floats, Floats]:
    """What the users there are will bring [R, days, B], and the share that a new user brings by day [R, B, days]."""
    mean, shape = factors.mean_draws[1:], factors.shape_draws[1:]
    resamples, invited = mean.shape
    base, lags = np.zeros((resamples, days, invited)), np.zeros((resamples, invited, days))
    steps = np.arange(days + 1)
    ages = (counts.ages[:, None] + steps[None, :]).reshape(-1)
    for b in range(invited):
        seen = seen_shares(ages, mean[:, b], shape[:, b]).reshape(resamples, len(counts.ages), days + 1)
        due = np.diff(seen, axis=2)  # [R, cells, days]
        lively = np.einsum("ac,ra->rc", counts.users[0], factors.matrix_draws[:, :, b])
        base[:, :, b] = np.einsum("rc,rcd->rd", lively, due)
        since = np.maximum(steps[:, None] - _MOMENTS[None, :], 0.0).reshape(-1)  # a new user comes at any time of a day
        seen = seen_shares(since, mean[:, b], shape[:, b]).reshape(resamples, days + 1, len(_MOMENTS))
        lags[:, b] = np.diff(seen.mean(axis=2), axis=1)
    return base, lags


def _spreads(counts: Counts, factors: Factors) -> Floats:
    """Variance / mean of counts of children, by channel of invitation: 1 for Poisson counts [B]."""
    children = counts.children.sum(axis=(1, 2))  # [1 + R, B]
    logs = np.log(np.maximum(factors.matrix_draws.sum(axis=2), 1e-9))
    own = counts.children[0].sum(axis=(1, 2))
    whole = (logs.var(axis=0, ddof=1) * own).max(initial=1.0, where=own >= 100)
    return np.full(children.shape[1], max(1.0, float(whole)))


def _count(draw: np.random.Generator, mean: Floats, spread: Floats) -> Floats:
    """Counts with variance / mean = spread: negative binomial where that is above 1."""
    more = np.maximum(spread - 1, 1e-6)
    return draw.poisson(draw.gamma(np.maximum(mean, 1e-9) / more, more)).astype(np.float64)
