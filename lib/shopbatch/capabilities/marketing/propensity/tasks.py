"""Run the fits of `train_propensity` as Ray tasks: one per kind of forecast and day (each held-out day, and today)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ray

from shopbatch.capabilities.marketing.propensity import fit
from shopbatch.capabilities.marketing.propensity.config import TrainPropensityConfig
from shopbatch.capabilities.marketing.propensity.learners import Forecast, Kind, Target
from shopbatch.core.sessions import start_ray
from shopbatch.evaluation.purchases import Purchases

Fitted = tuple[fit.Prepared, dict[Kind, dict[Target, Forecast]]]


def fit_all(
    days: Purchases, origins: Sequence[float], kinds: Sequence[Kind], config: TrainPropensityConfig
) -> dict[float, Fitted]:
    """Fit every kind of forecast for every origin, each in a Ray task of one CPU.

    Args:
        days: The active days of all users.
        origins: The days before which everything is known, in days since 1970-01-01.
        kinds: The kinds of forecast.
        config: Settings of the job.

    Returns:
        By origin, the prepared data and the fitted forecasts by kind and target.
    """
    start_ray()
    prepare = ray.remote(num_cpus=1)(_prepare)
    learn = ray.remote(num_cpus=1)(fit.fit)
    there = ray.put((days.user, days.day, days.money, days.users))
    prepared = {origin: prepare.remote(there, origin, config) for origin in origins}
    waiting = {(o, kind): learn.remote(prepared[o], kind, config) for o in origins for kind in kinds}
    made = dict(zip(waiting, ray.get(list(waiting.values())), strict=True))
    return {o: (ray.get(prepared[o]), {kind: made[o, kind] for kind in kinds}) for o in origins}


def _prepare(days: tuple[Any, ...], origin: float, config: TrainPropensityConfig) -> fit.Prepared:
    return fit.prepare(Purchases(*days), origin, config)
