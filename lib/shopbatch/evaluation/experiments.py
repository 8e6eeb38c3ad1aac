"""Evaluates randomised experiments: treatment effects with intervals, variance reduction, and randomisation checks.

`measure_campaigns` and `train_uplift` use it. Every user gets the weight 1 / probability of the arm that the user was
assigned to (Hajek's estimator), so arms may be drawn with any probabilities. Intervals use the normal distribution.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from shopbatch.evaluation.classification import Interval

_Z = 1.959963984540054  # normal quantile of a 95 % interval


@dataclass(frozen=True)
class Arms:
    """The assignment of users to one treatment arm and the control arm.

    Attributes:
        treated: True for users of the treatment arm, False for controls, bool [n].
        probability: Probability of the arm that the user was assigned to, above 0, float64 [n].
    """

    treated: np.ndarray
    probability: np.ndarray

    @property
    def weight(self) -> np.ndarray:
        """Return the weight of each user, 1 / probability, float64 [n]."""
        return np.asarray(1.0 / self.probability)


@dataclass(frozen=True)
class Effect:
    """The estimated effect of a treatment on an outcome.

    Attributes:
        mean: Weighted mean outcome of the treatment arm.
        control_mean: Weighted mean outcome of the control arm.
        difference: `mean` - `control_mean` with its 95 % interval.
    """

    mean: float
    control_mean: float
    difference: Interval


def mean_and_error(values: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Return the weighted mean of values and its standard error.

    Args:
        values: float [n].
        weight: Weight of each value, float [n].

    Returns:
        (mean, standard error). The error is nan for fewer than 2 values, the mean for none.
    """
    if len(values) < 2:
        return (float(values.mean()) if len(values) else math.nan), math.nan
    mean = float(np.average(values, weights=weight))
    spread = float((weight**2 * (values - mean) ** 2).sum()) / float(weight.sum()) ** 2
    return mean, math.sqrt(spread * len(values) / (len(values) - 1))


def effect(values: np.ndarray, arms: Arms) -> Effect:
    """Return the effect of the treatment: the difference of the arms' weighted means, with its 95 % interval.

    Args:
        values: Outcome of each user, float64 [n].
        arms: The assignment of the users.
    """
    arm, weight = arms.treated, arms.weight
    mean, error = mean_and_error(values[arm], weight[arm])
    control, control_error = mean_and_error(values[~arm], weight[~arm])
    width = _Z * math.hypot(error, control_error)
    gap = mean - control
    return Effect(mean, control, Interval(gap, gap - width, gap + width))


def adjusted(values: np.ndarray, before: np.ndarray, arms: Arms) -> np.ndarray:
    """Return outcomes minus the part that the users' behaviour before the assignment predicts (CUPED), float64 [n].

    Randomisation makes the earlier behaviour equal in both arms, so the effect stays the same in expectation, and its
    interval becomes narrower. Deng, Xu, Kohavi and Walker ("Improving the sensitivity of online controlled experiments
    by utilizing pre-experiment data", 2013), here with several columns and with slopes fitted within the arms.

    Args:
        values: Outcome of each user, float64 [n].
        before: Measures of the users' earlier behaviour, float64 [n, columns].
        arms: The assignment of the users.
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
    """Return the p-value of a test for sample ratio mismatch: a small one says that the arms were not drawn as stated.

    In each arm, the users' weights 1 / probability add up to about the number of all users if the stated probabilities
    are right. The smallest p-value of all arms is multiplied by their number (Bonferroni) and capped at 1.

    Args:
        arm: The arm of each user, any labels, [n].
        probability: Stated probability of that arm for that user, float64 [n].
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
    """How far a measure from before the assignment differs between the arms.

    Attributes:
        difference: Difference of the arms' means, in standard deviations of a user.
        z: The same difference in standard errors; chance alone seldom exceeds 4.
    """

    difference: float
    z: float


def balance(before: np.ndarray, arms: Arms) -> Balance:
    """Compare the arms in a measure from before the assignment, as a check of the randomisation.

    Args:
        before: The measure of each user, float64 [n].
        arms: The assignment of the users.
    """
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
