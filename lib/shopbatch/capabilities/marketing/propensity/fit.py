"""The forecasts that could be made on a day, fitted to what was known on it and to nothing later.

The day before which everything is known is `origin`. What the 30 days that end there brought stops the boosting; the
30-day steps before them are what the learners learn from. Several of the newest days together correct the forecasts,
since one month is often better or worse than the next. A forecast for a held-out day is made just as one for today.
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
    """What the learners of an origin are given.

    Attributes:
        origin: The day.
        base: The forecasts that need no learning, as of the origin.
        train: Inputs and outcomes of the days that are learned from, the newest first.
        check: Those of the day 30 days before the origin.
    """

    origin: float
    base: Base
    train: list[tuple[Inputs, Outcome]]
    check: tuple[Inputs, Outcome]


def read_base(days: Purchases, as_of: float, repeat: buy_till_you_die.BuyTillYouDie | None = None) -> Base:
    """Make the forecasts that need no learning from what was known on a day."""
    table = fill_table(days, as_of)
    if table is None:
        raise UserError("nobody had bought 30 days before: load older transactions, and run build_user_profiles")
    past = days.before(as_of)
    return Base(table, repeat or buy_till_you_die.fit(past, as_of), mean_gap(past, as_of))


def days_to_learn_from(first: float, origin: float, config: TrainPropensityConfig) -> list[float]:
    """The days of an origin, the newest first: the one that corrects, then those that are learned from.

    Args:
        first: The first day of the history.
        origin: The day before which everything is known.
        config: How many there are, and how much history each has.
    """
    cuts = [origin - AHEAD * (1 + k) for k in range(1 + config.days.train)]
    return [cut for cut in cuts if cut - first >= config.days.history]


def prepare(days: Purchases, origin: float, config: TrainPropensityConfig) -> Prepared:
    """Make what the learners need. Raises UserError if the history is too short."""
    past = days.before(origin)
    cuts = days_to_learn_from(float(past.day.min(initial=int(origin))), origin, config)
    if len(cuts) < 2:
        need = config.days.history + AHEAD * (2 + config.days.held_out)
        raise UserError(
            f"user_daily reaches back {origin - past.day.min(initial=int(origin)):.0f} days before the first day that "
            f"is forecast, which is too short: {need} days of transactions are needed; load older ones and run "
            "build_user_profiles, or set days.history and days.held_out lower"
        )
    # Four numbers of the whole shop, from the time before the day that corrects, serve all days that are learned from.
    repeat = buy_till_you_die.fit(past.before(cuts[0]), cuts[0])
    pairs = []
    for cut in cuts:
        known = past.before(cut)
        inputs = read_inputs(known, cut, read_base(known, cut, repeat))
        pairs.append((inputs, outcome(past, cut, inputs.users)))
    return Prepared(origin, read_base(past, origin), pairs[1:], pairs[0])


def fit(prepared: Prepared, kind: Kind, config: TrainPropensityConfig) -> dict[Target, Forecast]:
    """Fit one kind of forecast, of the chance to buy and of the money, and correct it."""
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
    """Forecast the 30 days from the origin on with each of the fitted ones, beside what came of it."""
    inputs = read_inputs(days, prepared.origin, prepared.base)
    said = [{target: forecast(inputs) for target, forecast in each.items()} for each in fitted]
    return inputs, outcome(days, prepared.origin, inputs.users), said
