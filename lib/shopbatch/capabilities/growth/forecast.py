"""Forecast joins by simulating a branching process from every bootstrap resample of the growth factors.

The joins of a day are children (users brought) of present users that have not joined yet, children of users who join in
the meantime, and users who come without an invitation at the recent rate. The intervals cover the uncertainty of the
factors (each future uses one resample) and chance (counts vary as much as they did in the data). Nothing else is
expected to change. `measure_growth` publishes the result.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shopbatch.capabilities.growth.delays import seen_shares
from shopbatch.capabilities.growth.factors import Counts, Factors

Floats = npt.NDArray[np.float64]

_PATHS = 1000  # simulated futures; resamples are used again in turn
_SAME_DAY = 4  # longest chain of invitations whose joins are all on one day
_MOMENTS = np.arange(0.125, 1, 0.25)


@dataclass(frozen=True)
class Fan:
    """The forecast of joins on the coming days, with intervals.

    Attributes:
        joins: Expected joins on each day [days].
        invited: Expected joins by invitation, a part of `joins` [days].
        daily: 2.5, 10, 90 and 97.5 % quantiles of the joins on each day [4, days].
        total: Expected joins from the first day to each day [days].
        totals: The same quantiles of that sum [4, days].
    """

    joins: Floats
    invited: Floats
    daily: Floats
    total: Floats
    totals: Floats


def forecast(counts: Counts, factors: Factors, alone: Floats, days: int, seed: int) -> Fan:
    """Simulate the coming days many times, and summarise the joins.

    Args:
        counts: The counts of present users and of their children.
        factors: The growth factors that `factors.estimate` found in them.
        alone: Users who came without an invitation, by day (the newest last) and channel [recent days, channels].
        days: Number of days to forecast.
        seed: Seed of all draws.
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
    )  # a draw of the rate from its uncertainty, for each future
    came = np.zeros((_PATHS, days, channels))
    brought = np.zeros((_PATHS, days, invited))
    for day in range(days):
        came[:, day] = _count(draw, known, noise)
        earlier = np.einsum("psa,pab->psb", came[:, : day + 1], matrix)
        back = lag[:, :, : day + 1][:, :, ::-1]  # reversed: users of the first day have had the longest time
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
    """Return the expected future children (users brought) of present users, and when a new user's children join.

    Returns:
        Children of present users [resamples, days, channels of invitation]; and the share of a new user's children who
        join on each day after the user's own join [resamples, channels of invitation, days].
    """
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
        since = np.maximum(steps[:, None] - _MOMENTS[None, :], 0.0).reshape(-1)  # users join at any time of a day
        seen = seen_shares(since, mean[:, b], shape[:, b]).reshape(resamples, days + 1, len(_MOMENTS))
        lags[:, b] = np.diff(seen.mean(axis=2), axis=1)
    return base, lags


def _spreads(counts: Counts, factors: Factors) -> Floats:
    """Return variance / mean of the numbers of users brought: one value, repeated for each channel of invitation.

    It is 1 for Poisson counts and more if users differ in how many they bring.
    """
    children = counts.children.sum(axis=(1, 2))  # [1 + R, B]
    logs = np.log(np.maximum(factors.matrix_draws.sum(axis=2), 1e-9))
    own = counts.children[0].sum(axis=(1, 2))
    whole = (logs.var(axis=0, ddof=1) * own).max(initial=1.0, where=own >= 100)
    return np.full(children.shape[1], max(1.0, float(whole)))


def _count(draw: np.random.Generator, mean: Floats, spread: Floats) -> Floats:
    """Draw counts from a negative binomial distribution of the given mean, with variance / mean = spread.

    For a spread of 1 the distribution is Poisson.
    """
    more = np.maximum(spread - 1, 1e-6)
    return draw.poisson(draw.gamma(np.maximum(mean, 1e-9) / more, more)).astype(np.float64)
