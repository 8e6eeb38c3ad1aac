"""Judge the live model on the held-out days of a new training run, so that a worse model does not replace it.

The live model is judged on those held-out days whose outcomes it was not trained on. If it was trained on all of them,
forecasts of the same kinds are fitted again, with its settings, to what was known before each day, and are judged in
its place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, get_args

import numpy as np
from pydantic import ValidationError

from shopbatch.capabilities.marketing.propensity import fit
from shopbatch.capabilities.marketing.propensity.choose import Choice, HeldOut, by_user, losses
from shopbatch.capabilities.marketing.propensity.config import TrainPropensityConfig
from shopbatch.capabilities.marketing.propensity.inputs import read_inputs
from shopbatch.capabilities.marketing.propensity.learners import Kind, Target
from shopbatch.capabilities.marketing.propensity.model import NAME, PropensityModel
from shopbatch.capabilities.marketing.propensity.reader import day_number
from shopbatch.capabilities.marketing.propensity.tasks import fit_all
from shopbatch.core.errors import UserError
from shopbatch.evaluation.classification import Interval
from shopbatch.evaluation.purchases import Floats, Purchases
from shopbatch.models import registry
from shopbatch.models.folder import local
from shopbatch.warehouse.gates import Gate, explain

_SETTINGS = ("days", "penalty", "boosting")  # the settings that forecasts depend on
_NAMES: dict[Target, str] = {"bought": "log loss of the chance to buy", "spent": "Poisson deviance of the money"}


@dataclass(frozen=True)
class Live:
    """The forecasts of the live model on the held-out days, which a new model is compared with.

    Attributes:
        said: The live model's forecasts by held-out day (its index) and by target (bought, spent), float64 [n] each.
            Days on which it cannot be judged are missing.
        note: One sentence for the report: how the live model was judged, or why it was not.
        digest: Digest of the live model; "" if there is none to compare with.
    """

    said: Mapping[int, Mapping[Target, Floats]] = field(default_factory=dict)
    note: str = "there is no live model to compare with"
    digest: str = ""


def find_live(models: str, days: Purchases, held: Sequence[float], config: TrainPropensityConfig) -> Live:
    """Load the live model and make its forecasts for the held-out days.

    A model that was trained on what happened after a held-out day would look too good there. So the live model is used
    as it is only on days that are new to it. If there are none, its kinds of forecast are fitted again, with its
    settings, to what was known before each held-out day.

    Args:
        models: Root of the model registry.
        days: The active days that this run has read.
        held: The held-out days, in days since 1970-01-01, the newest first.
        config: Settings of this run.
    """
    try:
        live = registry.find_live(models, NAME)
        if live is None:
            return Live()
        model = PropensityModel.load(local(live.path))
        until = day_number(date.fromisoformat(str(live.manifest["learnt_from"]["until"])))
    except (UserError, KeyError, TypeError, ValueError) as error:  # a new model is the remedy, so the run goes on
        return Live(note=f"the live model cannot be compared with: {error}")
    unseen = [place for place, day in enumerate(held) if day >= until]
    if unseen:
        inputs = {place: read_inputs(days, held[place], model.base) for place in unseen}
        said: dict[int, dict[Target, Floats]] = {
            place: {"bought": model.bought(x), "spent": model.spent(x)} for place, x in inputs.items()
        }
        note = f"the live model has not seen {len(unseen)} of {len(held)} held-out days, and is judged on them as it is"
        return Live(said, note, live.digest)
    recipe = _recipe(live.manifest, config)
    if recipe is None:
        return Live(note="the live model has seen the held-out days, and does not say how it was made")
    if len(fit.days_to_learn_from(float(days.day.min(initial=int(held[-1]))), held[-1], recipe[1])) < 2:
        return Live(
            note="the live model has seen the held-out days, and its settings need a longer history before them"
        )
    note = "the live model has seen the held-out days: forecasts made by its settings before each day stand for it"
    return Live(_again(days, held, *recipe), note, live.digest)


def _recipe(
    manifest: Mapping[str, Any], config: TrainPropensityConfig
) -> tuple[dict[Target, Kind], TrainPropensityConfig] | None:
    """Return the kinds of forecast and the settings that a model's manifest states; None if they are not valid."""
    try:
        kinds: dict[Target, Kind] = {target: manifest["chosen"][target] for target in fit.TARGETS}
        before = {name: manifest["config"][name] for name in _SETTINGS}
        settings = TrainPropensityConfig.model_validate(config.model_dump() | before)
    except (TypeError, KeyError, ValidationError):
        return None
    return (kinds, settings) if set(kinds.values()) <= set(get_args(Kind)) else None


def _again(
    days: Purchases, held: Sequence[float], kinds: Mapping[Target, Kind], config: TrainPropensityConfig
) -> dict[int, dict[Target, Floats]]:
    """Fit the given kinds of forecast anew to what was known before each held-out day, and forecast that day.

    Returns:
        By position of the held-out day and by target, the forecasts, float64 [n].
    """
    fitted = fit_all(days, held, sorted(set(kinds.values())), config)
    said = dict[int, dict[Target, Floats]]()
    for place, day in enumerate(held):
        prepared, made = fitted[day]
        _, _, forecasts = fit.forecasts(days, prepared, [{t: made[kinds[t]][t] for t in fit.TARGETS}])
        said[place] = forecasts[0]
    return said


def gains(live: Live, days: Sequence[HeldOut], chosen: Mapping[Target, Choice], seed: int) -> dict[Target, Interval]:
    """Return the relative improvement of each chosen forecast over the live model's, on the same held-out days.

    Args:
        live: The live model's forecasts.
        days: The held-out days.
        chosen: The chosen kind of forecast by target.
        seed: Seed of the bootstrap.

    Returns:
        By target, (live loss - new loss) / mean live loss, with a 95 % interval from a bootstrap that draws users. {}
        if the live model was not judged.
    """
    result = dict[Target, Interval]()
    users = np.concatenate([np.zeros(0, np.int64), *(days[place].inputs.users for place in live.said)])
    if not len(users):
        return result
    for target, choice in chosen.items():
        before = np.concatenate([losses(target, days[p].came, said[target]) for p, said in live.said.items()])
        now = np.concatenate([losses(target, days[p].came, days[p].said[choice.kind][target]) for p in live.said])
        mean = max(float(before.mean()), 1e-12)
        result[target] = by_user(users, before / mean, now / mean, seed)
    return result


def gates(against: Mapping[Target, Interval], worse: float) -> list[Gate]:
    """Return one gate per target: it fails if the chosen forecast is for certain worse than the live model's.

    Args:
        against: The improvements that `gains` returned.
        worse: Share by which the loss may be above the live model's (the setting `gates.worse`).
    """
    made = []
    for target, gain in against.items():
        passed = gain.high >= -worse
        what = (
            f"the {_NAMES[target]} is {-gain.value:.1%} above the live model's on the same held-out days, and "
            f"{-gain.high:.1%} for certain, beyond gates.worse={worse:g}"
        )
        do = "the live model stays; look at what changed in the settings or in user_daily"
        detail = explain(passed, what, "users would be scored worse", do)
        made.append(Gate(f"{_NAMES[target]} against the live model", round(gain.high, 5), -worse, passed, detail))
    return made
