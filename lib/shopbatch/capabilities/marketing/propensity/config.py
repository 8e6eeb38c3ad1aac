"""Settings of the jobs `train_propensity` and `score_users`. Imports nothing heavy."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field, field_validator

from shopbatch.core.config import JobConfig, Strict
from shopbatch.core.days import LATEST, parse_days
from shopbatch.core.shrink_gate import ShrinkGate


class Days(Strict):
    """Which past days forecasts are fitted to, and on which later days they are judged."""

    train: int = Field(default=6, ge=1, le=24)
    """Number of past days, 30 apart, to which a forecast is fitted; fewer if the history is short."""

    held_out: int = Field(default=2, ge=1, le=12)
    """Number of later days, 30 apart, on which the forecasts are judged. Each is judged by forecasts fitted to what was
    known before it."""

    correct: int = Field(default=4, ge=1, le=24)
    """Number of the newest past days, 30 apart, on which forecasts are calibrated. With 1, the forecasts would follow
    one good or bad month."""

    history: int = Field(default=60, ge=1, le=3650)
    """Fewest days of history before a day to which forecasts are fitted. Lower it for a young shop; features then see
    less of the past."""


class Boosting(Strict):
    """Settings of the boosted trees (LightGBM)."""

    rounds: int = Field(default=400, ge=1, le=10_000)
    """Greatest number of trees. Boosting mostly stops earlier: where the loss on a later day is least."""

    patience: int = Field(default=30, ge=1)
    """Boosting stops after this many trees in a row without an improvement on the later day."""

    rate: float = Field(default=0.05, gt=0, le=1)
    """Learning rate: the factor by which the output of each tree is multiplied. Smaller needs more trees."""

    leaves: int = Field(default=12, ge=2, le=255)
    """Most leaves of a tree. More fit finer patterns, and noise."""

    rows_in_leaf: int = Field(default=100, ge=1)
    """Fewest rows (a user on a day) of a leaf. Raise it if forecasts overfit."""

    penalty: float = Field(default=10.0, ge=0)
    """L2 penalty on the values of the leaves. Raise it if forecasts overfit."""

    seed: int = 0
    """Seed of the rows and features that are drawn for each tree."""


class Lapse(Strict):
    """When a user counts as lapsed: once the days without a purchase exceed both limits.

    `user_scores.p_churn_30d` is the probability that a user has lapsed 30 days later.
    """

    days: int = Field(default=30, ge=30, le=3650)
    """Least days without an active day. At least 30: the forecast looks 30 days ahead."""

    gaps: float = Field(default=3.0, gt=0)
    """Fewest days without a purchase, as a multiple of the user's usual gap between two purchase days. For users with
    few purchases, that gap is shrunk towards the mean of the shop."""


class TrainGates(ShrinkGate):
    """Limits that a model must meet before it is published."""

    users: int = Field(default=200, ge=1)
    """Fewest forecasts on the held-out days; a user gives one forecast for each of these days."""

    either: int = Field(default=30, ge=1)
    """Fewest forecasts on the held-out days after which the user bought, and fewest after which the user did not. With
    fewer nothing can be compared."""

    ece: float = Field(default=0.02, gt=0, le=1)
    """Greatest calibration error (0..1) on the held-out days of a forecast that replaces the cohort table (the
    baseline). An error that perfectly calibrated forecasts exceed by chance in one of twenty cases is always
    allowed."""

    worse: float = Field(default=0.01, ge=0, le=1)
    """Share by which the loss of a new forecast may exceed the live model's on the same held-out days. If even the most
    favourable end of the 95 % interval is worse than this, the live model stays."""


class TrainPropensityConfig(JobConfig):
    """Settings of `train_propensity`: how forecasts are fitted, compared and chosen."""

    days: Days = Days()
    """The past days that forecasts are fitted to, and those on which they are judged."""

    kinds: tuple[Literal["repeat", "linear", "boosting"], ...] = ("repeat", "linear", "boosting")
    """Forecasts that are compared with the cohort table, the baseline that needs no fitting: `repeat` (BG/NBD and
    Gamma-Gamma), `linear` (logistic and Poisson regression), `boosting` (LightGBM). Fewer train faster."""

    max_rows: int = Field(default=5_000_000, ge=1000)
    """About how many rows of `user_daily` are used at most. Of a larger table, users are drawn by a hash of their id.
    Lower it if memory is short."""

    max_users: int = Field(default=100_000, ge=100)
    """Most users to learn from, drawn by a hash of their id. The forecasts hold for all users."""

    penalty: float = Field(default=10.0, ge=0)
    """L2 penalty on the weights of `linear`. Higher: weights nearer to 0."""

    boosting: Boosting = Boosting()
    """How `boosting` grows its trees."""

    lapse: Lapse = Lapse()
    """When a user counts as lapsed."""

    seed: int = 0
    """Seed of the bootstrap and of the draw of users."""

    gates: TrainGates = TrainGates()
    """Limits that a model must meet before it is published."""

    def required_tables(self) -> tuple[str, ...]:
        """Return the names of the tables that a run needs: `user_daily`, from which everything is learnt."""
        return ("user_daily",)


class ScoreGates(Strict):
    """Limits that the scores of a day must meet before they are published."""

    rows: float | Literal["any"] = 0.5
    """Fewest users that a day may have, as a share of those of its live version or, if there is none, of the newest
    earlier day, where that has 20 or more. `any` lets every number pass."""


class ScoreUsersConfig(JobConfig):
    """Settings of `score_users`: which days are scored, and by which model."""

    as_of: date | str = LATEST
    """Days to score: a day (`2017-07-01`), a range (`2017-07-01..2017-07-31`), or `latest`, the newest day of
    `user_profiles`. Only days that `user_profiles` holds are scored."""

    model: str = "propensity@live"
    """The model that scores: `propensity@live`, or `propensity@DIGEST` for a certain version."""

    gates: ScoreGates = ScoreGates()
    """Limits that a day must meet before it is published."""

    @field_validator("as_of")
    @classmethod
    def _days(cls, value: date | str) -> date | str:
        if value != LATEST:
            parse_days(value)
        return value

    def required_tables(self) -> tuple[str, ...]:
        """Return the names of the tables that a run needs: `user_daily` (purchases), `user_profiles` (its days)."""
        return ("user_daily", "user_profiles")

    def required_models(self) -> dict[str, str]:
        """Return the model that a run needs, as {setting: model}: `{"model": "propensity@live"}`."""
        return {"model": self.model}
