"""Delays between a user's join and the joins of those whom the user brings: gamma distributions, censored at the end.

Of a user of age a only the children with a delay below a have been seen. With children a Poisson process of intensity
K f(delay), the likelihood of all that was seen is a product of K f(delay) over the children and of exp(-K F(age)) over
the users. K then is children / sum of F(age), and with that in place the likelihood depends on the delay alone.
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
    """Sums of P independent problems, each about one channel of invitation.

    Attributes:
        children: Children by the parents' channel [P, A].
        days: Sum of their delays in days [P].
        logs: Sum of the natural logarithms of the delays [P].
        users: Users by channel and cell of age [P, A, cells].
        ages: The age of each cell in days [cells].
    """

    children: Floats
    days: Floats
    logs: Floats
    users: Floats
    ages: Floats


def seen_shares(ages: Floats, mean: Floats, shape: Floats) -> Floats:
    """Return F(age), the share of the children seen by each age [P, cells], for mean and shape [P]."""
    return np.asarray(gammainc(shape[:, None], shape[:, None] * ages[None, :] / mean[:, None]))


def fit_delays(seen: Seen) -> tuple[Floats, Floats]:
    """Find the most likely gamma distribution of each problem.

    By Newton's method on the logarithms of mean and shape, damped, for all problems at once. The mean stays below twice
    the greatest age: beyond it the data cannot tell a long delay from a great K.

    Args:
        seen: The sums; a problem without children gets the starting value.

    Returns:
        Means in days and shapes, each [P].
    """
    total = seen.children.sum(axis=1)
    mean = np.maximum(seen.days / np.maximum(total, 1e-9), 1e-3)
    gap = np.maximum(np.log(mean) - seen.logs / np.maximum(total, 1e-9), 1e-3)
    shape = np.clip((3 - gap + np.sqrt((gap - 3) ** 2 + 24 * gap)) / (12 * gap), *SHAPES)  # Minka's start
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
    """The negative log likelihood of each problem, divided by its children, with the best K in place [P]."""
    mean, shape = np.exp(point[:, 0]), np.exp(point[:, 1])
    total = np.maximum(seen.children.sum(axis=1), 1e-9)
    shares = seen_shares(seen.ages, mean, shape)
    exposure = np.einsum("pac,pc->pa", seen.users, shares)
    where = np.where(seen.children > 0, np.log(np.maximum(exposure, 1e-300)), 0.0)
    own = total * (shape * np.log(shape / mean) - gammaln(shape)) + (shape - 1) * seen.logs - shape * seen.days / mean
    return np.asarray(((seen.children * where).sum(axis=1) - own) / total)


def _slopes(seen: Seen, point: Floats, value: Floats) -> tuple[Floats, Floats]:
    """Gradient [P, 2] and curvature [P, 2, 2] by central differences."""
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
    """The damped step downhill, at most `_FAR` in each direction [P, 2]."""
    values, vectors = np.linalg.eigh(curvature)
    along = np.einsum("pij,pi->pj", vectors, gradient) / (np.abs(values) + damping[:, None] + 1e-9)
    return np.asarray(np.clip(-np.einsum("pij,pj->pi", vectors, along), -_FAR, _FAR))
