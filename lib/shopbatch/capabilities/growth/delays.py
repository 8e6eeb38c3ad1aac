"""Fit the distribution of delays between a user's join and the joins of those whom the user brings.

Delays are gamma distributed. They are censored: of a user of age a, only children (users brought) with a delay below a
have been seen. If children are a Poisson process of intensity K f(delay), the likelihood of everything seen is the
product of K f(delay) over the children and of exp(-K F(age)) over the users, where F is the distribution function of f.
The best K is children / sum of F(age); with it in place the likelihood depends on the delays alone.

`factors.estimate` calls `fit_delays`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import gammainc, gammaln

Floats = npt.NDArray[np.float64]

SHAPES = (0.3, 30.0)
_STEPS, _STEP, _FAR = 40, 1e-3, 0.7


@dataclass(frozen=True)
class Seen:
    """Sufficient statistics of P independent fits, each of the delays of one channel of invitation in one resample.

    A child is a user whom another user (the parent) brought; the delay is the time between their joins. A is the number
    of channels by which users came.

    Attributes:
        children: Number of children by the channel by which the parent came [P, A].
        days: Sum of the children's delays, in days [P].
        logs: Sum of the natural logarithms of these delays [P].
        users: Number of users by the channel by which they came and the cell of their age [P, A, cells].
        ages: Age of each cell in days [cells].
    """

    children: Floats
    days: Floats
    logs: Floats
    users: Floats
    ages: Floats


def seen_shares(ages: Floats, mean: Floats, shape: Floats) -> Floats:
    """Return F(age): the share of a user's children who have joined by each age, 0..1 [problems, cells].

    Args:
        ages: Age of each cell in days [cells].
        mean: Mean delay of each problem (a channel in one resample) in days [problems].
        shape: Shape of its gamma distribution [problems].
    """
    return np.asarray(gammainc(shape[:, None], shape[:, None] * ages[None, :] / mean[:, None]))


def fit_delays(seen: Seen) -> tuple[Floats, Floats]:
    """Fit the gamma distribution of the delays by maximum likelihood, for P problems at once.

    The method is Newton's, damped, on the logarithms of mean and shape. The mean stays below twice the greatest age:
    beyond that the data cannot tell a long delay from a great K (number of users whom one user brings).

    Args:
        seen: The statistics of the P problems. A problem without children gets the starting value.

    Returns:
        Means in days and shapes, each [P].
    """
    total = seen.children.sum(axis=1)
    mean = np.maximum(seen.days / np.maximum(total, 1e-9), 1e-3)
    gap = np.maximum(np.log(mean) - seen.logs / np.maximum(total, 1e-9), 1e-3)
    shape = np.clip((3 - gap + np.sqrt((gap - 3) ** 2 + 24 * gap)) / (12 * gap), *SHAPES)  # Minka's start value
    top = np.log(2 * max(float(seen.ages.max(initial=1.0)), 1e-2))
    low, high = np.array([np.log(1e-3), np.log(SHAPES[0])]), np.array([top, np.log(SHAPES[1])])
    point = np.clip(np.stack([np.log(mean), np.log(shape)], axis=1), low, high)
    value = _loss(seen, point)
    damping = np.full(len(total), 1e-3)
    for _ in range(_STEPS):
        gradient, curvature = _slopes(seen, point, value)
        step = _newton(gradient, curvature, damping)
        moved = np.clip(point + step, low, high)
        better = (after := _loss(seen, moved)) < value
        size = np.abs(moved - point).max(axis=1)
        point = np.where(better[:, None], moved, point)
        value = np.where(better, after, value)
        damping = np.where(better, damping * 0.2, damping * 10).clip(1e-6, 1e6)
        if np.all(size < 1e-5):
            break
    return np.exp(point[:, 0]), np.exp(point[:, 1])


def _loss(seen: Seen, point: Floats) -> Floats:
    """Return the loss of each of P fits: the negative log likelihood over the number of children [P].

    For each fit, K has the value that makes the likelihood greatest (see the module). Constant summands are left out.

    Args:
        seen: The statistics.
        point: Logarithms of mean and shape of the delays [P, 2].
    """
    mean, shape = np.exp(point[:, 0]), np.exp(point[:, 1])
    total = np.maximum(seen.children.sum(axis=1), 1e-9)
    shares = seen_shares(seen.ages, mean, shape)
    exposure = np.einsum("pac,pc->pa", seen.users, shares)
    where = np.where(seen.children > 0, np.log(np.maximum(exposure, 1e-300)), 0.0)
    own = total * (shape * np.log(shape / mean) - gammaln(shape)) + (shape - 1) * seen.logs - shape * seen.days / mean
    return np.asarray(((seen.children * where).sum(axis=1) - own) / total)


def _slopes(seen: Seen, point: Floats, value: Floats) -> tuple[Floats, Floats]:
    """Return the gradient [P, 2] and the curvature [P, 2, 2] of the loss of each of P problems.

    They are computed by central differences at `point` (logarithms of mean and shape [P, 2]); `value` is the loss
    there.
    """
    move = _STEP * np.eye(2)
    up, down = (np.stack([_loss(seen, point + sign * m) for m in move], axis=1) for sign in (1, -1))
    gradient = (up - down) / (2 * _STEP)
    across = _loss(seen, point + move.sum(axis=0))
    curvature = np.empty((len(point), 2, 2))
    for i in range(2):
        curvature[:, i, i] = (up[:, i] - 2 * value + down[:, i]) / _STEP**2
    curvature[:, 0, 1] = curvature[:, 1, 0] = (across - up[:, 0] - up[:, 1] + value) / _STEP**2
    return gradient, curvature


def _newton(gradient: Floats, curvature: Floats, damping: Floats) -> Floats:
    """Return the damped Newton step downhill of each of P fits [P, 2], at most `_FAR` along each coordinate.

    Args:
        gradient: Gradient of each fit's loss by log mean and log shape [P, 2].
        curvature: Second derivatives [P, 2, 2].
        damping: Added to the curvature; greater makes the step shorter [P].
    """
    values, vectors = np.linalg.eigh(curvature)
    along = np.einsum("pij,pi->pj", vectors, gradient) / (np.abs(values) + damping[:, None] + 1e-9)
    return np.asarray(np.clip(-np.einsum("pij,pj->pi", vectors, along), -_FAR, _FAR))
