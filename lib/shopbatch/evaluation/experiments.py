"""Effects of an arm that chance has drawn, with intervals; and whether it looks as if chance had drawn it.

Every user counts 1 / probability of the arm that the user got (Hajek's estimator), so arms may be drawn with any
probabilities. Intervals are those of the normal distribution.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from shopbatch.evaluation.classification import Interval

_Z = 1.959963984540054  # of a 95 % interval


@dataclass(frozen=True)
class Arms:
    """Users of one arm and of the control.

    Attributes:
        treated: Whether each user is of the arm, bool [n].
        probability: The probability of the arm that the user got, above 0, float64 [n].
    """

    treated: np.ndarray
    probability: np.ndarray

    @property
    def weight(self) -> np.ndarray:
        """What each user counts, float64 [n]."""
        return np.asarray(1.0 / self.probability)


@dataclass(frozen=True)
class Effect:
    """What the arm brought: the means of both arms, and their difference with its 95 % interval."""

    mean: float
    control_mean: float
    difference: Interval


def mean_and_error(values: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Return a weighted mean and its standard error; nan for fewer than 2 values."""
    if len(values) < 2:
        return (float(values.mean()) if len(values) else math.nan), math.nan
    mean = float(np.average(values, weights=weight))
    spread = float((weight**2 * (values - mean) ** 2).sum()) / float(weight.sum()) ** 2
    return mean, math.sqrt(spread * len(values) / (len(values) - 1))


def effect(values: np.ndarray, arms: Arms) -> Effect:
    """Return the difference of the arms' weighted means. values: of each user, float64 [n]."""
    arm, weight = arms.treated, arms.weight
    mean, error = mean_and_error(values[arm], weight[arm])
    control, control_error = mean_and_error(values[~arm], weight[~arm])
    width = _Z * math.hypot(error, control_error)
    gap = mean - control
    return Effect(mean, control, Interval(gap, gap - width, gap + width))


def adjusted(values: np.ndarray, before: np.ndarray, arms: Arms) -> np.ndarray:
    """Take off what the time before the assignment predicts, which chance has made equal in both arms.

    CUPED: Deng, Xu, Kohavi and Walker ("Improving the sensitivity of online controlled experiments by utilizing
    pre-experiment data", 2013), with several columns and slopes within the arms. The effect stays what it is, and its
    interval becomes narrower.

    Args:
        values: Of each user, float64 [n].
        before: What the users did before, float64 [n, columns].
        arms: The arms.

    Returns:
        float64 [n].
    """
    weight = arms.weight
    centred, left = np.empty_like(before), np.empty_like(values)
    for arm in (arms.treated, ~arms.treated):
        if arm.any():
            centred[arm] = before[arm] - np.average(before[arm], axis=0, weights=weight[arm])
            left[arm] = values[arm] - np.average(values[arm], weights=weight[arm])
    root = np.sqrt(weight)
    slope = np.linalg.lstsq(centred * root[:, None], left * root, rcond=None)[0]
    return np.asarray(values - (before - np.average(before, axis=0, weights=weight)) @ slope)


def sample_ratio(arm: np.ndarray, probability: np.ndarray) -> float:
    """Return the probability of arms of such sizes if they were drawn with the stated probabilities.

    For each arm, the users count 1 / probability; if the probabilities are right, that is the number of all users, but
    for chance. The smallest p-value counts, times the number of arms (Bonferroni).

    Args:
        arm: The arm of each user, [n].
        probability: Of that arm for that user, float64 [n].
    """
    least, names = 1.0, np.unique(arm)
    for name in names:
        p = probability[arm == name]
        error = math.sqrt(float(((1 - p) / p**2).sum()))
        gap = abs(float((1 / p).sum()) - len(arm))
        least = min(least, math.erfc(gap / error / math.sqrt(2)) if error else float(gap == 0))
    return min(1.0, least * len(names))


@dataclass(frozen=True)
class Balance:
    """How far the arms were apart before the assignment.

    Attributes:
        difference: Of the means, in standard deviations of a user.
        z: The same, in standard errors: what chance explains is seldom beyond 4.
    """

    difference: float
    z: float


def balance(before: np.ndarray, arms: Arms) -> Balance:
    """Return the standardised mean difference of a column from before the assignment, float64 [n]."""
    arm, weight = arms.treated, arms.weight
    means, errors, spreads = [], [], []
    for rows in (arm, ~arm):
        mean, error = mean_and_error(before[rows], weight[rows])
        means.append(mean)
        errors.append(error)
        spreads.append(float(np.average((before[rows] - mean) ** 2, weights=weight[rows])))
    spread, error = math.sqrt(sum(spreads) / 2), math.hypot(*errors)
    gap = means[0] - means[1]
    return Balance(gap / spread if spread else 0.0, gap / error if error else 0.0)
