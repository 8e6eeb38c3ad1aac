"""The model `propensity`: one forecast of the chance to buy, one of the money, and what both need to read a user.

Its folder holds `propensity.json`, and LightGBM's text of boosted trees where these were chosen. Nothing is pickled.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shopbatch.capabilities.marketing.propensity.inputs import NAMES, VERSION, Base, Inputs, read_inputs
from shopbatch.capabilities.marketing.propensity.learners import Forecast, Kind, Target
from shopbatch.evaluation.buy_till_you_die import BuyTillYouDie
from shopbatch.evaluation.cohort_table import AHEAD, CELLS, CohortTable
from shopbatch.evaluation.purchases import Floats, Ints, Purchases
from shopbatch.models import json_files
from shopbatch.models.folder import ModelError

NAME = "propensity"
_WORDS = "propensity.json"


@dataclass(frozen=True)
class LapseRule:
    """A user has lapsed after so many days without an active day: at least `days`, and `gaps` of their own gaps."""

    days: int
    gaps: float

    def limits(self, inputs: Inputs) -> Floats:
        """The days after which each user counts as lapsed, float64 [n]."""
        return np.maximum(float(self.days), self.gaps * inputs.gap)

    def chances(self, inputs: Inputs, bought: Floats) -> Floats:
        """The chance of each user to have lapsed 30 days later, float64 [n]; nan for those who have already.

        Whoever buys in the 30 days has not lapsed at their end, since no limit is below 30 days.
        """
        limits = self.limits(inputs)
        chance = np.where(inputs.silent + AHEAD > limits, 1 - bought, 0.0)
        return np.where(inputs.silent > limits, np.nan, chance)


@dataclass(frozen=True)
class Scores:
    """What is forecast of users: their numbers, and three numbers each, float64 [n]; churn is nan for the lapsed."""

    users: Ints
    purchase: Floats
    churn: Floats
    spend: Floats


@dataclass(frozen=True)
class PropensityModel:
    """The model.

    Attributes:
        base: The forecasts of the whole shop, as of the last day that the model knows.
        bought: The forecast of the chance to buy.
        spent: The forecast of the money.
        lapse: When a user counts as lapsed.
    """

    base: Base
    bought: Forecast
    spent: Forecast
    lapse: LapseRule

    def score(self, days: Purchases, as_of: float) -> Scores:
        """Forecast the 30 days from `as_of` on, of every user with an active day before it."""
        inputs = read_inputs(days, as_of, self.base)
        bought = self.bought(inputs)
        return Scores(inputs.users, bought, self.lapse.chances(inputs, bought), self.spent(inputs))

    def save(self, folder: Path) -> None:
        """Write the model's files into an empty folder."""
        table, repeat = self.base.table, self.base.repeat
        words = {
            "version": VERSION,
            "features": NAMES,
            "table": {n: v.tolist() if isinstance(v, np.ndarray) else v for n, v in vars(table).items()},
            "repeat": asdict(repeat),
            "gap": self.base.gap,
            "lapse": asdict(self.lapse),
        }
        for target, forecast in (("bought", self.bought), ("spent", self.spent)):
            words[target] = {n: getattr(forecast, n) for n in ("kind", "numbers", "slope", "shift")}
            if forecast.trees:
                (folder / _trees(target)).write_text(forecast.trees, "utf-8")
        (folder / _WORDS).write_text(json.dumps(words, indent=1, allow_nan=False) + "\n", "utf-8")

    @staticmethod
    def load(folder: Path) -> PropensityModel:
        """Read a model's folder. Raises ModelError if it is none, or of other features than this program's."""
        try:
            words = _Words.model_validate(json_files.read(folder / _WORDS, f"model {NAME}"))
        except ValidationError as error:
            where = ".".join(map(str, error.errors()[0]["loc"]))
            raise ModelError(f"model {NAME}: {_WORDS} is damaged at {where!r}; run train_propensity") from None
        if words.version != VERSION or tuple(words.features) != NAMES:
            raise ModelError(f"model {NAME}: it was trained on other features; run train_propensity")
        cells = words.table
        table = CohortTable(np.asarray(cells.bought), np.asarray(cells.ahead), np.asarray(cells.usual), cells.money)
        base = Base(table, BuyTillYouDie(words.repeat.visits, words.repeat.money), words.gap)
        bought, spent = _forecast(folder, "bought", words.bought), _forecast(folder, "spent", words.spent)
        return PropensityModel(base, bought, spent, LapseRule(words.lapse.days, words.lapse.gaps))


def _forecast(folder: Path, target: Target, words: _ForecastWords) -> Forecast:
    path, trees = folder / _trees(target), ""
    if words.kind == "boosting":
        if not path.is_file():
            raise ModelError(f"model {NAME}: {path.name} is missing; run train_propensity")
        trees = path.read_text("utf-8")
    return Forecast(words.kind, target, words.numbers, trees, words.slope, words.shift)


def _trees(target: str) -> str:
    return f"{target}.txt"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class _TableWords(_Strict):
    bought: list[float] = Field(min_length=CELLS, max_length=CELLS)
    ahead: list[float] = Field(min_length=CELLS, max_length=CELLS)
    usual: list[float] = Field(min_length=CELLS, max_length=CELLS)
    money: float


class _RepeatWords(_Strict):
    visits: tuple[float, float, float, float]
    money: tuple[float, float, float]


class _LapseWords(_Strict):
    days: int
    gaps: float


class _ForecastWords(_Strict):
    kind: Kind
    numbers: dict[str, Any]
    slope: float
    shift: float


class _Words(_Strict):
    version: int
    features: list[str]
    table: _TableWords
    repeat: _RepeatWords
    gap: float
    lapse: _LapseWords
    bought: _ForecastWords
    spent: _ForecastWords
