"""Fit the forecasts that could be made on a given day, using only what was known before that day.

The given day is called `origin`. The history before it is divided into periods of 30 days. The newest period, which
ends at the origin, decides when boosting stops; the learners are fitted to the outcomes of the periods before it. The
newest `days.correct` periods together, the one that stops boosting among them, calibrate the forecasts, because a
single month is often better or worse than the next. Forecasts for a held-out day and for today are made in the same
way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shopbatch.capabilities.marketing.propensity.config import TrainPropensityConfig
from shopbatch.capabilities.marketing.propensity.inputs import (
    Base,
    Inputs,
    Outcome,
    mean_gap,
    outcome,
    read_inputs,
)
from shopbatch.capabilities.marketing.propensity.learners import (
    Forecast,
    Kind,
    Target,
    corrected,
    fit_line,
    fit_trees,
)
from shopbatch.core.errors import UserError
from shopbatch.evaluation import buy_till_you_die
from shopbatch.evaluation.cohort_table import AHEAD, fill_table
from shopbatch.evaluation.purchases import Floats, Purchases

TARGETS: tuple[Target, ...] = ("bought", "spent")


@dataclass(frozen=True)
class Prepared:
    """The data that learners are fitted to for one origin.

    Attributes:
        origin: The day before which everything is known, in days since 1970-01-01.
        base: The cohort table, BG/NBD with Gamma-Gamma and the shop's mean gap, as of the origin.
        train: Features and outcomes of the days that learners are fitted to, the newest first.
        check: Features on the day 30 days before the origin, and outcomes from that day on. They decide when boosting
            stops, and calibrate the forecasts together with the newest entries of `train`.
    """

    origin: float
    base: Base
    train: list[tuple[Inputs, Outcome]]
    check: tuple[Inputs, Outcome]


def read_base(days: Purchases, as_of: float, repeat: buy_till_you_die.BuyTillYouDie | None = None) -> Base:
    """Compute the cohort table, BG/NBD with Gamma-Gamma and the mean gap from what was known on a day.

    Args:
        days: The active days of all users.
        as_of: The day, in days since 1970-01-01; days from it on are not used.
        repeat: Fitted BG/NBD and Gamma-Gamma to use; None: they are fitted here.

    Raises:
        UserError: Nobody had bought 30 days before the day.
    """
    table = fill_table(days, as_of)
    if table is None:
        raise UserError("nobody had bought 30 days before: load older transactions, and run build_user_profiles")
    past = days.before(as_of)
    return Base(table, repeat or buy_till_you_die.fit(past, as_of), mean_gap(past, as_of))


def days_to_learn_from(first: float, origin: float, config: TrainPropensityConfig) -> list[float]:
    """Return the past days whose outcomes are learnt from, the newest first, in days since 1970-01-01.

    The outcome of a day is what users do in the 30 days from it on. The first day of the list (30 days before the
    origin) decides when boosting stops; the learners are fitted to the others. Days with less than `days.history` days
    of data before them are left out, so the list may be shorter than wanted or empty.

    Args:
        first: The first day of the history.
        origin: The day before which everything is known.
        config: Settings: `days.train` and `days.history`.
    """
    cuts = [origin - AHEAD * (1 + k) for k in range(1 + config.days.train)]
    return [cut for cut in cuts if cut - first >= config.days.history]


def prepare(days: Purchases, origin: float, config: TrainPropensityConfig) -> Prepared:
    """Compute the data that the learners of one origin are fitted to. Raises UserError if the history is too short.

    Args:
        days: The active days of all users.
        origin: The day before which everything is known, in days since 1970-01-01.
        config: Settings of the job.
    """
    past = days.before(origin)
    cuts = days_to_learn_from(float(past.day.min(initial=int(origin))), origin, config)
    if len(cuts) < 2:
        need = config.days.history + AHEAD * (2 + config.days.held_out)
        raise UserError(
            f"user_daily reaches back {origin - past.day.min(initial=int(origin)):.0f} days before the first day that "
            f"is forecast, which is too short: {need} days of transactions are needed; load older ones and run "
            "build_user_profiles, or set days.history and days.held_out lower"
        )
    # The few parameters of BG/NBD and Gamma-Gamma are those of the whole shop: one fit serves all past days.
    repeat = buy_till_you_die.fit(past.before(cuts[0]), cuts[0])
    pairs = []
    for cut in cuts:
        known = past.before(cut)
        inputs = read_inputs(known, cut, read_base(known, cut, repeat))
        pairs.append((inputs, outcome(past, cut, inputs.users)))
    return Prepared(origin, read_base(past, origin), pairs[1:], pairs[0])


def fit(prepared: Prepared, kind: Kind, config: TrainPropensityConfig) -> dict[Target, Forecast]:
    """Fit and calibrate one kind of forecast for each target: the probability to buy and the money.

    The cohort table is neither fitted nor calibrated.

    Args:
        prepared: The data of the origin.
        kind: The kind of forecast.
        config: Settings of the job.
    """
    result = dict[Target, Forecast]()
    recent = [prepared.check, *prepared.train][: config.days.correct]
    for target in TARGETS:
        if kind in ("table", "repeat"):
            learnt = Forecast(kind, target, {})
        else:
            x = np.concatenate([inputs.x for inputs, _ in prepared.train])
            y = np.concatenate([_of(came, target) for _, came in prepared.train])
            check = (prepared.check[0].x, _of(prepared.check[1], target))
            learnt = (
                fit_line(x, y, target, config.penalty)
                if kind == "linear"
                else fit_trees((x, y), check, target, config.boosting)
            )
        if kind != "table":
            raw = np.concatenate([learnt.raw(inputs) for inputs, _ in recent])
            learnt = corrected(learnt, raw, np.concatenate([_of(came, target) for _, came in recent]))
        result[target] = learnt
    return result


def _of(came: Outcome, target: Target) -> Floats:
    return came.bought if target == "bought" else came.spent


def forecasts(
    days: Purchases, prepared: Prepared, fitted: Sequence[dict[Target, Forecast]]
) -> tuple[Inputs, Outcome, list[dict[Target, Floats]]]:
    """Make forecasts for the 30 days from the origin on, and read what really happened in them.

    Args:
        days: The active days of all users, those after the origin among them.
        prepared: The data of the origin.
        fitted: Fitted forecasts, one entry per kind.

    Returns:
        The users' features on the origin, their outcomes, and for each entry of `fitted` the forecasts by target,
        float64 [n].
    """
    inputs = read_inputs(days, prepared.origin, prepared.base)
    said = [{target: forecast(inputs) for target, forecast in each.items()} for each in fitted]
    return inputs, outcome(days, prepared.origin, inputs.users), said
