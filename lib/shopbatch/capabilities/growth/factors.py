"""Estimate the referral factor K by channel and cohort, the growth factor of the whole system, and intervals.

K of a channel is the number of users whom one user who came by that channel brings in the long run. The number brought
by now is smaller, since the youngest users have had little time. So K counts a user only as F(age), the share of the
children whom a user of that age has brought on average (see `delays`). A system with several channels grows by the
greatest eigenvalue of the matrix K(channel of the user, channel of the invitation), not by the mean of K over users.

`measure_growth` uses it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.special import gammaincinv

from shopbatch.capabilities.growth.delays import Seen, fit_delays, seen_shares
from shopbatch.capabilities.growth.resamples import normal_limits

Floats = npt.NDArray[np.float64]
FEW = 30  # a channel with fewer children uses the delay of all channels together
RARE = 20  # below so many children an interval is at least that of a Poisson count


@dataclass(frozen=True)
class Counts:
    """Numbers of users and children in 1 + R versions: the data as they are (first), and R bootstrap resamples.

    A child is a user whom another user (the parent) brought. A is the number of channels, B of channels of invitation,
    W of weekly cohorts.

    Attributes:
        ages: Age of the users of each cell, in days [cells].
        weeks: Number of each cell's cohort, below W [cells].
        users: Users by the channel by which they came and the cell of their age [1 + R, A, cells].
        children: Users brought by them, by the parent's channel, the parent's cohort and the channel of the invitation
            [1 + R, A, W, B].
        days: Sum of the delays between the parent's and the child's join, in days, by channel of invitation [1 + R, B].
        logs: Sum of the natural logarithms of these delays [1 + R, B].
    """

    ages: Floats
    weeks: npt.NDArray[np.int64]
    users: Floats
    children: Floats
    days: Floats
    logs: Floats

    def __add__(self, other: Counts) -> Counts:
        """Return the sum of these counts and those of another part of the data."""
        names = ("users", "children", "days", "logs")
        return replace(self, **{n: getattr(self, n) + getattr(other, n) for n in names})

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Return the sizes (1 + R, A, W, B): versions, channels, weekly cohorts, channels of invitation."""
        r, a, w, b = self.children.shape
        return r, a, w, b


@dataclass(frozen=True)
class Estimate:
    """Estimates with their confidence intervals: three arrays of equal shape.

    Attributes:
        value: The estimates from the data as they are.
        low: Lower ends of the intervals.
        high: Upper ends of the intervals.
    """

    value: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True)
class Factors:
    """The estimates of growth. Attributes that end in `_draws` hold one value per resample, for the forecast.

    A child is a user whom another user brought. A is the number of channels, B of channels of invitation, W of weekly
    cohorts, R of bootstrap resamples.

    Attributes:
        matrix: Children of one user in the long run, by the user's channel and the channel of the invitation [A, B].
        matrix_draws: The same in each resample [R, A, B].
        channels: K (users whom one user brings in the long run) of the users who came by each channel [A].
        whole: K of all users together [1].
        cohorts: K by channel and cohort, and of all channels in the last row [A + 1, W].
        system: Greatest eigenvalue of the matrix: above 1, the shop grows by referrals alone [1].
        cycle: Mean delay between a user's join and a child's join, by channel of invitation, in days [B].
        system_cycle: Mean delay of the children by whom the system grows, in days [1].
        mean_draws: Means of the delays in days; the data's own in the first row, then one row per resample [1 + R, B].
        shape_draws: Shapes of the delays' gamma distributions, in the same order [1 + R, B].
        naive: Children seen by now per user, by channel: too low where users are young [A].
        shared_delay: True for channels with too few children, which use the delay of all channels together [B].
    """

    matrix: Floats
    matrix_draws: Floats
    channels: Estimate
    whole: Estimate
    cohorts: Estimate
    system: Estimate
    cycle: Estimate
    system_cycle: Estimate
    mean_draws: Floats
    shape_draws: Floats
    naive: Floats
    shared_delay: npt.NDArray[np.bool_]


def estimate(counts: Counts, confidence: float = 0.95) -> Factors:
    """Estimate the growth factors (K, the system's factor, the delays) with confidence intervals.

    K is the number of users whom one user brings in the long run. The intervals come from the bootstrap resamples.

    Args:
        counts: Users and children by channel, age and cohort; the first B of the A channels are channels of invitation.
        confidence: Confidence of the intervals, such as 0.95.
    """
    mean, shape, shared = _delays(counts)
    versions, channels, weeks, invited = counts.shape
    exposure = np.empty((versions, channels, weeks, invited))
    member = np.eye(weeks)[counts.weeks]  # [cells, W]
    for b in range(invited):
        seen = seen_shares(counts.ages, mean[:, b], shape[:, b])  # [1 + R, cells]
        exposure[..., b] = np.einsum("rac,cw->raw", counts.users * seen[:, None, :], member, optimize=True)
    matrix = _rate(counts.children.sum(axis=2), exposure.sum(axis=2))
    by_cohort = _rate(counts.children, exposure).sum(axis=3)
    everyone = _rate(counts.children.sum(axis=1), exposure.sum(axis=1)).sum(axis=2)
    cohorts = np.concatenate([by_cohort, everyone[:, None, :]], axis=1)
    whole = _rate(counts.children.sum(axis=(1, 2)), exposure.sum(axis=(1, 2))).sum(axis=1)
    square = np.zeros((versions, channels, channels))
    square[:, :, :invited] = matrix
    system, cycle = _system(square, mean)
    seen_children = counts.children[0].sum(axis=2)
    totals = np.concatenate([seen_children, seen_children.sum(axis=0)[None]], axis=0)
    mean_exposure = exposure[0].sum(axis=2) / max(invited, 1)  # over channels; B may be 0
    exposures = np.concatenate([mean_exposure, mean_exposure.sum(axis=0)[None]], axis=0)
    users = counts.users[0].sum(axis=1)
    return Factors(
        matrix=matrix[0],
        matrix_draws=matrix[1:],
        channels=_interval(matrix.sum(axis=2), seen_children.sum(axis=1), exposures[:-1].sum(axis=1), confidence),
        whole=_interval(whole[:, None], totals[-1].sum()[None], exposures[-1].sum()[None], confidence),
        cohorts=_interval(cohorts, totals, exposures, confidence),
        system=_plain(system[:, None], confidence),
        cycle=_plain(mean, confidence),
        system_cycle=_plain(cycle[:, None], confidence),
        mean_draws=mean,
        shape_draws=shape,
        naive=_rate(seen_children.sum(axis=1), users),
        shared_delay=shared,
    )


def _delays(counts: Counts) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    """Fit the delays of each channel of invitation, in the data (first) and in each resample.

    Channels with fewer than `FEW` children share one delay, which is fitted to all channels together.

    Returns:
        Means in days [1 + R, B], shapes [1 + R, B], and True for channels that share the common delay [B], for R
        resamples and B channels of invitation.
    """
    versions, _, _, invited = counts.shape
    children = counts.children.sum(axis=2)  # [1 + R, A, B]
    shared = children[0].sum(axis=0) < FEW
    pooled = Seen(children.sum(axis=2), counts.days.sum(axis=1), counts.logs.sum(axis=1), counts.users, counts.ages)
    means, shapes = np.empty((versions, invited)), np.empty((versions, invited))
    if shared.any():
        mean, shape = fit_delays(pooled)
        means[:, shared], shapes[:, shared] = mean[:, None], shape[:, None]
    for b in np.flatnonzero(~shared):
        own = Seen(children[:, :, b], counts.days[:, b], counts.logs[:, b], counts.users, counts.ages)
        means[:, b], shapes[:, b] = fit_delays(own)
    return means, shapes, shared


def _rate(children: Floats, exposure: Floats) -> Floats:
    return np.divide(children, exposure, out=np.zeros_like(exposure), where=exposure > 0)


def _system(matrices: Floats, means: Floats) -> tuple[Floats, Floats]:
    """Return the greatest eigenvalue of each matrix, and the mean delay (days) by which the system grows.

    The delay is averaged over the children, weighted by what they contribute to long-run growth (left and right
    eigenvectors).

    Args:
        matrices: Children per user, by the user's channel and the channel of the invitation; one matrix for the data
            and one per resample [1 + R, A, A].
        means: Mean delay in days by channel of invitation [1 + R, B].

    Returns:
        Two arrays [1 + R].
    """
    values, right = np.linalg.eig(matrices)
    top = np.abs(values).argmax(axis=1)
    rows = np.arange(len(matrices))
    other, left = np.linalg.eig(matrices.transpose(0, 2, 1))
    u = np.abs(left[rows, :, np.abs(other).argmax(axis=1)])
    v = np.abs(right[rows, :, top])
    invited = means.shape[1]
    flow = u[:, :, None] * matrices[:, :, :invited] * v[:, None, :invited]
    total = flow.sum(axis=(1, 2))
    delay = (flow * means[:, None, :]).sum(axis=(1, 2))
    return np.abs(values[rows, top]), np.divide(delay, total, out=np.zeros_like(total), where=total > 0)


def _plain(draws: Floats, confidence: float) -> Estimate:
    low, high = normal_limits(draws[0], draws[1:], confidence)
    return Estimate(draws[0], low, high)


def _interval(draws: Floats, children: Floats, exposure: Floats, confidence: float) -> Estimate:
    """Return rates with their confidence intervals, whose widths come from the bootstrap resamples.

    Resamples of a few children vary too little: below `RARE` children the interval is at least as wide as that of a
    Poisson count.

    Args:
        draws: The rates in the data (first) and in each resample [1 + R, ...].
        children: Number of children behind each rate [...].
        exposure: The denominator of each rate: the users, each counted as the share F(age) [...].
        confidence: Confidence of the intervals, such as 0.95.
    """
    low, high = normal_limits(draws[0], draws[1:], confidence)
    tail, rare = (1 - confidence) / 2, children < RARE
    exact_low = np.where(children > 0, gammaincinv(np.maximum(children, 1e-9), tail), 0.0)
    exact_high = gammaincinv(children + 1, 1 - tail)
    ratio = np.divide(1.0, exposure, out=np.full_like(exposure, np.inf), where=exposure > 1e-12)
    with np.errstate(invalid="ignore"):
        low = np.where(rare, np.minimum(low, np.where(children > 0, exact_low * ratio, 0.0)), low)
        high = np.where(rare, np.maximum(high, exact_high * ratio), high)
    return Estimate(draws[0], low, high)
