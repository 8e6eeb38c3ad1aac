"""Choose the forecast that `train_propensity` publishes: the best one that beats the cohort table on held-out days.

The cohort table is the baseline: it predicts what users of similar recency and frequency did before. Each forecast was
fitted to what was known before the held-out day. A user appears on every held-out day, so the bootstrap draws users,
not rows.
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
    """One held-out day with its outcomes and the forecasts that were made for it.

    Attributes:
        inputs: The users who were known on that day, and their features.
        came: Whether these users bought, and how much they spent, in the 30 days from that day on.
        said: The forecasts by kind of forecast and target (bought, spent), float64 [n] each.
    """

    inputs: Inputs
    came: Outcome
    said: Mapping[Kind, Mapping[Target, Floats]]


@dataclass(frozen=True)
class Figures:
    """How good one kind of forecast is on the held-out days, for one target.

    Attributes:
        loss: Mean log loss (target bought) or mean Poisson deviance (target spent); less is better.
        gain: Loss of the cohort table minus this loss, with its 95 % interval; above 0 is better than the table.
        numbers: Further measures by name: AUC, calibration error (`ece`), mean forecast and outcome; for money, mean
            error and ratio of the sums.
        noise: Calibration error that even right probabilities exceed by chance in one of twenty cases; 0 for money.
    """

    loss: float
    gain: Interval
    numbers: dict[str, float]
    noise: float = 0.0


@dataclass(frozen=True)
class Choice:
    """The kind of forecast chosen for one target (the probability to buy, or the money).

    Attributes:
        kind: The chosen kind; `table` (the cohort table, the baseline) if no other kind is better for certain.
        figures: {kind: its loss and further measures on the held-out days}.
        left: {kind: reason}, for each kind that was better than the table but not chosen.
    """

    kind: Kind
    figures: dict[Kind, Figures]
    left: dict[Kind, str] = field(default_factory=dict)  # reasons, by kind


def choose(days: Sequence[HeldOut], target: Target, ece: float, seed: int) -> Choice:
    """Compare the kinds of forecast on the held-out days, and choose one for a target.

    A kind may replace the cohort table (the baseline) if the 95 % interval of its gain lies above 0 and, for the target
    bought, its calibration error is at most `ece` or what chance explains. Of these, the one with the least loss is
    chosen.

    Args:
        days: The held-out days.
        target: What is forecast: bought (probability) or spent (money).
        ece: Greatest calibration error (the setting `gates.ece`).
        seed: Seed of the bootstrap.
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
    """Return the loss of every forecast, float64 [n]: log loss for the target bought, Poisson deviance for spent.

    Args:
        target: The forecast quantity: bought (probability) or spent (money).
        came: Whether the users bought, and how much they spent.
        said: The forecasts, float64 [n].
    """
    return log_losses(came.bought, said) if target == "bought" else deviances(came.spent, said)


def by_user(users: Ints, first: Floats, second: Floats, seed: int) -> Interval:
    """Return the mean of `first - second` over rows, with a 95 % interval from a bootstrap that draws users.

    Args:
        users: The user of each row, int64 [n]; a user may have several rows.
        first: One loss per row, float64 [n].
        second: The loss that is subtracted, float64 [n].
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
    """Return the quality of the probabilities to lapse on the held-out days; they are computed from those to buy.

    Args:
        days: The held-out days.
        kind: The kind of forecast that was chosen for the target bought.
        rule: When a user counts as lapsed.

    Returns:
        By name, over users who had not lapsed before: `users` (number of forecasts), `lapsed` (share, 0..1), `auc`,
        `ece` (calibration error).
    """
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
