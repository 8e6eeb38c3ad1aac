"""The configurations of `train_propensity` and `score_users`. Imports nothing heavy."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field, field_validator

from shopbatch.core.config import JobConfig, Strict
from shopbatch.core.days import LATEST, parse_days
from shopbatch.core.shrink_gate import ShrinkGate


class Days(Strict):
    """Which past days are learned from, and which later ones judge."""

    train: int = Field(default=6, ge=1, le=24)
    """Days, 30 apart, from which a forecast is learned; fewer if the history is short."""

    held_out: int = Field(default=2, ge=1, le=12)
    """Later days, 30 apart, on which forecasts that were made before them are judged."""

    correct: int = Field(default=4, ge=1, le=24)
    """The newest of these days that correct the forecasts. One day alone would carry a good or bad month on."""

    history: int = Field(default=60, ge=1, le=3650)
    """Least days of history that every day must have before it."""


class Boosting(Strict):
    """How boosted trees are grown (LightGBM)."""

    rounds: int = Field(default=400, ge=1, le=10_000)
    """Greatest number of trees. Boosting stops earlier, where a later day's loss is least."""

    patience: int = Field(default=30, ge=1)
    """Trees without an improvement after which boosting stops."""

    rate: float = Field(default=0.05, gt=0, le=1)
    """Learning rate: how much of each tree counts."""

    leaves: int = Field(default=12, ge=2, le=255)
    """Leaves of a tree."""

    rows_in_leaf: int = Field(default=100, ge=1)
    """Least rows (a user on a day) of a leaf."""

    penalty: float = Field(default=10.0, ge=0)
    """L2 penalty of the leaves' values."""

    seed: int = 0
    """Seed of the rows and features that each tree sees."""


class Lapse(Strict):
    """When a user counts as lapsed (p_churn_30d is the chance to lapse)."""

    days: int = Field(default=30, ge=30, le=3650)
    """Least days without an active day. At least 30: the forecast looks 30 days ahead."""

    gaps: float = Field(default=3.0, gt=0)
    """Least days without an active day, in gaps of the user: the mean days between one active day and the next, drawn
    to the shop's."""


class TrainGates(ShrinkGate):
    """Limits that a model must meet before it is published."""

    users: int = Field(default=200, ge=1)
    """Least forecasts on the held-out days: a user counts once on each of them."""

    either: int = Field(default=30, ge=1)
    """Least of them after which the user bought, and least after which not: with fewer nothing can be compared."""

    ece: float = Field(default=0.02, gt=0, le=1)
    """Greatest calibration error on the held-out days of a forecast that takes the table's place; as much as chance
    alone makes in one of twenty cases is allowed in any case."""

    worse: float = Field(default=0.01, ge=0, le=1)
    """Share by which the loss of a forecast may for certain be above the live model's on the same held-out days."""


class TrainPropensityConfig(JobConfig):
    """How the forecasts of users are made, compared and chosen."""

    days: Days = Days()
    """Which days are learned from, and which judge."""

    kinds: tuple[Literal["repeat", "linear", "boosting"], ...] = ("repeat", "linear", "boosting")
    """Forecasts that are compared with the cohort table: `repeat` (BG/NBD and Gamma-Gamma), `linear` (logistic and
    Poisson regression), `boosting` (LightGBM)."""

    max_rows: int = Field(default=5_000_000, ge=1000)
    """Active days that are read at most, about; of more, those of users drawn by hash."""

    max_users: int = Field(default=100_000, ge=100)
    """Users who are learned from at most, drawn by hash. What is learnt holds for all users."""

    penalty: float = Field(default=10.0, ge=0)
    """L2 penalty of `linear`."""

    boosting: Boosting = Boosting()
    """How `boosting` grows its trees."""

    lapse: Lapse = Lapse()
    """When a user counts as lapsed."""

    seed: int = 0
    """Seed of the bootstrap intervals, and of the draw of users."""

    gates: TrainGates = TrainGates()
    """Limits that decide whether a model is published."""

    def required_tables(self) -> tuple[str, ...]:
        """The table that a run reads."""
        return ("user_daily",)


class ScoreGates(Strict):
    """Limits that the scores of a day must meet before they are published."""

    rows: float | Literal["any"] = 0.5
    """Least users that a day may have, as a share of those of its live version, or else of the newest earlier day, if
    that has 20 or more. `any` lets every number pass."""


class ScoreUsersConfig(JobConfig):
    """Which days are scored, and by which model."""

    as_of: date | str = LATEST
    """Days to score, which user_profiles must hold: a day (`2017-07-01`), a range (`2017-07-01..2017-07-31`, of which
    those days count that it holds), or `latest`, the newest of them."""

    model: str = "propensity@live"
    """The model, `propensity@live` or `propensity@DIGEST`."""

    gates: ScoreGates = ScoreGates()
    """Limits that decide whether a day is published."""

    @field_validator("as_of")
    @classmethod
    def _days(cls, value: date | str) -> date | str:
        if value != LATEST:
            parse_days(value)
        return value

    def required_tables(self) -> tuple[str, ...]:
        """The tables that a run reads."""
        return ("user_daily", "user_profiles")

    def required_models(self) -> dict[str, str]:
        """The model that scores."""
        return {"model": self.model}
