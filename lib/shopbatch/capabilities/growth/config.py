"""The configurations of `measure_growth` and `choose_inviters`. Imports nothing heavy."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field, field_validator

from shopbatch.core.config import JobConfig, Strict
from shopbatch.core.shrink_gate import ShrinkGate

LATEST = "latest"


def _day(value: date | str) -> date | str:
    return value if value == LATEST or isinstance(value, date) else date.fromisoformat(value)


class Rules(Strict):
    """What counts as a referral."""

    two_inviters: Literal["first", "last"] = "first"
    """Whose the user is whom several have invited: of the one who was `first` to do so, or `last` before the join."""

    settle_days: int = Field(default=0, ge=0, le=60)
    """Days before the newest event that are left out, where events reach the warehouse late."""


class Intervals(Strict):
    """How intervals are made."""

    resamples: int = Field(default=200, ge=40, le=2000)
    """Bootstrap resamples of the cascades. In each of them the delays are fitted anew."""

    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    """Confidence of the intervals of `growth_cohorts`."""


class Forecast(Strict):
    """What is expected to come."""

    days: int = Field(default=56, ge=7, le=180)
    """Days ahead."""

    recent_days: int = Field(default=28, ge=7, le=180)
    """The last days whose joins without invitation are expected to go on at the same rate."""

    seed: int = 0
    """Seed of the simulated futures, from which the fan is made."""


class GrowthGates(Strict):
    """Limits that the figures must meet before they are published."""

    rows: float | Literal["any"] = 0.5
    """Least cascades that a run may publish, as a share of those that are live if these are 20 or more. No events are
    refused, too. `any` lets every number pass."""


class MeasureConfig(JobConfig):
    """How growth is measured."""

    as_of: date | str = LATEST
    """The day before which events count, such as 2026-07-01. `latest`: the day of the newest event, which may not be
    over yet and does not count."""

    weeks: int = Field(default=26, ge=2, le=104)
    """Cohorts (weeks of joining) that are measured, the newest one last. K of a channel is that of their users."""

    channels: int = Field(default=8, ge=1, le=20)
    """Channels of invitation that are kept apart, those with most joins first; the others are `other`."""

    rules: Rules = Rules()
    """What counts as a referral."""

    intervals: Intervals = Intervals()
    """How intervals are made."""

    forecast: Forecast = Forecast()
    """What is expected to come."""

    gates: GrowthGates = GrowthGates()
    """Limits that decide whether the figures are published."""

    _check_day = field_validator("as_of")(_day)

    def required_tables(self) -> tuple[str, ...]:
        """The tables that a run reads."""
        return ("referral_events",)

    def optional_tables(self) -> tuple[str, ...]:
        """The tables that a run reads if they exist."""
        return ("transactions",)


class Uplift(Strict):
    """What asking a user changes."""

    of_asking: float = Field(default=0.05, ge=0, le=1)
    """Probability that a user invites because of being asked. Used as long as no former plan with a hold-out proves
    another one (`measure`)."""

    measure: bool = True
    """Whether to compare those whom former plans asked with those whom they held out. What that shows is used if its
    interval lies above 0."""

    days: int = Field(default=28, ge=1, le=180)
    """Days after a plan in which an invitation counts as its effect. Younger plans are not compared."""


class Money(Strict):
    """What a new user is worth, and what asking costs."""

    new_user: float = Field(default=20.0, ge=0)
    """Worth of a new user, in the shop's currency; used where the table `user_scores` does not exist. Else it is the
    mean of `expected_spend_30d` of the newest day, times `margin`."""

    margin: float = Field(default=1.0, gt=0)
    """Share of the expected spending that counts."""

    of_asking: float = Field(default=0.02, ge=0)
    """Cost of asking one user."""

    reward: float = Field(default=0.0, ge=0)
    """Paid for each new user; it is taken from the worth."""

    budget: float | None = Field(default=None, ge=0)
    """Greatest cost of asking of a whole plan; null: no limit."""


class Caps(Strict):
    """Limits of a plan."""

    users: int = Field(default=1000, ge=1)
    """Users who are asked or held out, at most."""

    per_cascade: int = Field(default=5, ge=1)
    """Those of one cascade, at most: who all know each other would otherwise be asked together."""

    rest_days: int = Field(default=30, ge=0)
    """Days after a plan in which those whom it asked are not asked again."""


class Fraud(Strict):
    """What looks like fraud. Such users are not asked and are listed with the reason."""

    shared_devices: int = Field(default=2, ge=1)
    """Invited users who joined on a device of their inviter, from which on the inviter is left out."""

    users_per_device: int = Field(default=4, ge=2)
    """Users who joined on one device, from which on all of them are left out."""


class Reach(Strict):
    """How the reach is estimated: by random reverse reachable sets."""

    sets: int = Field(default=500_000, ge=1000, le=10_000_000)
    """Sets of each of three samples: one to choose by, one to compare the methods, one to estimate the reach."""

    seed: int = 0
    """Seed of the sets."""


class PlanGates(ShrinkGate):
    """Limits that a plan must meet before it is published."""

    candidates: int = Field(default=1, ge=0)
    """Least users who may be asked, before caps. 0 lets an empty plan pass."""


class InviterConfig(JobConfig):
    """How users are chosen who are asked to invite."""

    plan: str = Field(default=LATEST, min_length=1, max_length=60, pattern=r"^[\w.-]+$")
    """Name of the plan; see `remake`. `latest`: the month of as_of, such as 2026-07."""

    as_of: date | str = LATEST
    """The day before which events count. `latest`: the day after the newest event."""

    remake: bool = False
    """Whether a plan of the same name is made anew. Else it stays as it is, also if the events have changed: its users
    may have been asked already."""

    channel: Literal["email", "sms", "push"] = "email"
    """How users are asked: who has not agreed to it (`users.<channel>_consent`) is left out."""

    hold_out: float = Field(default=0.1, ge=0, le=0.9)
    """Share of the chosen users who are not asked, so that the effect can be measured."""

    uplift: Uplift = Uplift()
    """What asking a user changes."""

    money: Money = Money()
    """What a new user is worth, and what asking costs."""

    caps: Caps = Caps()
    """Limits of the plan."""

    fraud: Fraud = Fraud()
    """What looks like fraud."""

    reach: Reach = Reach()
    """How the reach is estimated."""

    gates: PlanGates = PlanGates()
    """Limits that decide whether the plan is published."""

    _check_day = field_validator("as_of")(_day)

    def required_tables(self) -> tuple[str, ...]:
        """The tables that a run reads."""
        return ("referral_events", "users")

    def optional_tables(self) -> tuple[str, ...]:
        """What users are expected to spend."""
        return ("user_scores",)
