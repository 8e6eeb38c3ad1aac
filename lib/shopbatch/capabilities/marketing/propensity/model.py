"""The model `propensity`: forecasts the purchases, the lapse and the spending of users in the next 30 days.

`train_propensity` writes it and `score_users` applies it. Its folder holds `propensity.json` and, where boosted trees
were chosen, their text in LightGBM's format. Nothing is pickled.
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
    """The rule by which a user counts as lapsed: too long without an active day.

    Attributes:
        days: Fewest days without an active day.
        gaps: Fewest days without an active day, as a multiple of the user's usual gap. The greater limit is used.
    """

    days: int
    gaps: float

    def limits(self, inputs: Inputs) -> Floats:
        """Return the number of days without an active day after which each user counts as lapsed, float64 [n]."""
        return np.maximum(float(self.days), self.gaps * inputs.gap)

    def chances(self, inputs: Inputs, bought: Floats) -> Floats:
        """Return each user's probability to have lapsed 30 days later, float64 [n]; nan for those already lapsed.

        It is 1 minus the probability to buy, and 0 for users whose limit is not reached by then. A user who buys in the
        30 days has not lapsed at their end, as long as no limit is below 30 days.

        Args:
            inputs: The users' features.
            bought: The probability of each user to buy in the 30 days, float64 [n].
        """
        limits = self.limits(inputs)
        chance = np.where(inputs.silent + AHEAD > limits, 1 - bought, 0.0)
        return np.where(inputs.silent > limits, np.nan, chance)


@dataclass(frozen=True)
class Scores:
    """The forecasts for n users.

    Attributes:
        users: The users' numbers, int64 [n].
        purchase: Probability of an active day in the 30 days, float64 [n].
        churn: Probability to have lapsed 30 days later, float64 [n]; nan for users who have lapsed already.
        spend: Expected money in the 30 days, in the shop's currency, float64 [n].
    """

    users: Ints
    purchase: Floats
    churn: Floats
    spend: Floats


@dataclass(frozen=True)
class PropensityModel:
    """The trained model: two forecasts and what they need to compute a user's features.

    Attributes:
        base: Forecasts and habits of the shop as a whole, as of the last day that the model knows.
        bought: The forecast of the probability to buy.
        spent: The forecast of the money.
        lapse: When a user counts as lapsed.
    """

    base: Base
    bought: Forecast
    spent: Forecast
    lapse: LapseRule

    def score(self, days: Purchases, as_of: float) -> Scores:
        """Forecast the 30 days from `as_of` on, for every user with an active day before it.

        Args:
            days: The users' active days.
            as_of: The day, in days since 1970-01-01.
        """
        inputs = read_inputs(days, as_of, self.base)
        bought = self.bought(inputs)
        return Scores(inputs.users, bought, self.lapse.chances(inputs, bought), self.spent(inputs))

    def save(self, folder: Path) -> None:
        """Write `propensity.json` and the text files of boosted trees into an empty folder; `load` reads them."""
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
        """Read a model from its folder.

        Raises:
            ModelError: The folder holds no such model, its files are damaged, or it reads other features than this
                version of the program.
        """
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
