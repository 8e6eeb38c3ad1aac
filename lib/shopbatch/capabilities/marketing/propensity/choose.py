"""Which forecast is published: the best on held-out days, if it is certainly better than the cohort table.

Each forecast was made before its held-out day. The rows of one user stay together in the bootstrap, since a user is
there on every held-out day.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from shopbatch.capabilities.marketing.propensity.inputs import Inputs, Outcome
from shopbatch.capabilities.marketing.propensity.learners import Kind, Target
from shopbatch.capabilities.marketing.propensity.model import LapseRule
from shopbatch.evaluation.classification import Interval
from shopbatch.evaluation.forecasts import calibration_error, calibration_noise, deviances, log_losses
from shopbatch.evaluation.paired import difference
from shopbatch.evaluation.purchases import Floats, Ints
from shopbatch.evaluation.selective import auroc


@dataclass(frozen=True)
class HeldOut:
    """One held-out day: who was there, what came, and what each kind had forecast, float64 [n] by target and kind."""

    inputs: Inputs
    came: Outcome
    said: Mapping[Kind, Mapping[Target, Floats]]


@dataclass(frozen=True)
class Figures:
    """How good one kind of forecast is on the held-out days.

    Attributes:
        loss: Mean log loss of chances, or mean Poisson deviance of money.
        gain: How much less it is than the table's, with its interval.
        numbers: What else is worth knowing, by name.
        noise: Calibration error that chance alone exceeds in one case of twenty; 0 for money.
    """

    loss: float
    gain: Interval
    numbers: dict[str, float]
    noise: float = 0.0


@dataclass(frozen=True)
class Choice:
    """What was chosen for one target, and the figures of every kind."""

    kind: Kind
    figures: dict[Kind, Figures]
    left: dict[Kind, str] = field(default_factory=dict)  # why a kind that was better was not chosen


def choose(days: Sequence[HeldOut], target: Target, ece: float, seed: int) -> Choice:
    """Compare the kinds and choose.

    A kind may take the table's place if the interval of its gain lies above 0, and, of chances, if its calibration
    error is at most `ece` or within chance. Of those that may, the one with the least loss is chosen.

    Args:
        days: The held-out days.
        target: What is forecast.
        ece: The greatest calibration error.
        seed: Seed of the intervals.
    """
    users = np.concatenate([day.inputs.users for day in days])
    truth = np.concatenate([day.came.bought if target == "bought" else day.came.spent for day in days])
    said = {kind: np.concatenate([day.said[kind][target] for day in days]) for kind in days[0].said}
    lost = {
        kind: np.concatenate([losses(target, day.came, day.said[kind][target]) for day in days])
        for kind in days[0].said
    }
    figures, left, able = dict[Kind, Figures](), dict[Kind, str](), list[Kind]()
    for kind, forecast in said.items():
        gain = by_user(users, lost["table"], lost[kind], seed)
        numbers, noise = _numbers(truth, forecast, target), 0.0
        if target == "bought":
            noise = calibration_noise(forecast, seed)
        figures[kind] = Figures(float(lost[kind].mean()), gain, numbers, noise)
        if kind == "table" or not gain.low > 0:
            continue
        if target == "bought" and numbers["ece"] > max(ece, noise):
            left[kind] = f"its calibration error is {numbers['ece']:.3f}"
            continue
        able.append(kind)
    chosen: Kind = min(able, key=lambda k: figures[k].loss) if able else "table"
    return Choice(chosen, figures, left)


def losses(target: Target, came: Outcome, said: Floats) -> Floats:
    """The log loss of every chance, or the Poisson deviance of every sum of money, float64 [n]."""
    return log_losses(came.bought, said) if target == "bought" else deviances(came.spent, said)


def by_user(users: Ints, first: Floats, second: Floats, seed: int) -> Interval:
    """Return the mean of first - second over rows, with a 95 % interval from a bootstrap that draws users.

    Args:
        users: The user of each row, int64 [n].
        first: One number per row, float64 [n].
        second: The other number, float64 [n].
        seed: Seed of the bootstrap.
    """
    _, number, count = np.unique(users, return_inverse=True, return_counts=True)
    means = [np.bincount(number, v) / count for v in (first, second)]
    return difference(means[0], means[1], seed, weights=count.astype(np.float64), draws=400)


def _numbers(truth: Floats, said: Floats, target: Target) -> dict[str, float]:
    if target == "bought":
        return {
            "auc": auroc(said, truth > 0),
            "ece": calibration_error(truth, said),
            "forecast": float(said.mean()),
            "came": float(truth.mean()),
        }
    total = float(truth.sum())
    return {
        "error": float(np.abs(said - truth).mean()),
        "forecast over actual": float(said.sum()) / total if total else float("nan"),
    }


def churn_figures(days: Sequence[HeldOut], kind: Kind, rule: LapseRule) -> dict[str, float]:
    """How good the chances to lapse are that follow from the chances to buy, among users who had not lapsed."""
    chances, lapsed = [], []
    for day in days:
        chance = rule.chances(day.inputs, day.said[kind]["bought"])
        gone = (day.came.bought == 0) & (day.inputs.silent + 30 > rule.limits(day.inputs))
        there = np.isfinite(chance)
        chances.append(chance[there])
        lapsed.append(gone[there].astype(np.float64))
    chance, truth = np.concatenate(chances), np.concatenate(lapsed)
    return {
        "users": float(len(chance)),
        "lapsed": float(truth.mean()) if len(truth) else float("nan"),
        "auc": auroc(chance, truth > 0),
        "ece": calibration_error(truth, chance),
    }
