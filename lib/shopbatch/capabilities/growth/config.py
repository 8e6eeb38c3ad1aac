"""Settings of the jobs `measure_growth` and `choose_inviters`. Imports nothing heavy."""

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
    """Rules by which `measure_growth` decides what counts as a referral."""

    two_inviters: Literal["first", "last"] = "first"
    """Who counts as the inviter of a user whom several have invited: the `first` one, or the `last` one before the user
    joined."""

    settle_days: int = Field(default=0, ge=0, le=60)
    """Days before the newest event that are left out. Raise it if events reach the warehouse late, since the newest
    days are then incomplete."""


class Intervals(Strict):
    """How the confidence intervals of the growth figures are computed."""

    resamples: int = Field(default=200, ge=40, le=2000)
    """Number of bootstrap resamples; each draws whole cascades and fits the delays anew. More give steadier intervals
    and take longer."""

    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    """Confidence of the intervals in `growth_cohorts`. 0.99 makes them wider."""


class Forecast(Strict):
    """Settings of the forecast of joins."""

    days: int = Field(default=56, ge=7, le=180)
    """Number of days that are forecast."""

    recent_days: int = Field(default=28, ge=7, le=180)
    """Number of the newest days whose mean rate of joins without an invitation is expected to go on. With fewer days
    the forecast follows a change sooner, but chance has more influence."""

    seed: int = 0
    """Seed of the simulated futures, from which the forecast and its intervals are computed."""


class GrowthGates(Strict):
    """Limits that the results must meet before they are published."""

    rows: float | Literal["any"] = 0.5
    """Fewest cascades that a run may publish, as a share of the live ones if these are 20 or more. A source without
    events is refused, too. `any` lets every number pass."""


class MeasureConfig(JobConfig):
    """Settings of `measure_growth`."""

    as_of: date | str = LATEST
    """Only events before this day (UTC) are used, such as 2026-07-01. `latest`: the day of the newest event; that day
    itself is left out because it may not be over."""

    weeks: int = Field(default=26, ge=2, le=104)
    """Number of weekly cohorts (users by the week of their join) that are measured, the newest one last. K of a channel
    is computed from the users of these cohorts."""

    channels: int = Field(default=8, ge=1, le=20)
    """Number of channels of invitation that are measured separately: those with most joins. All others are put together
    as `other`."""

    rules: Rules = Rules()
    """What counts as a referral."""

    intervals: Intervals = Intervals()
    """How intervals are computed."""

    forecast: Forecast = Forecast()
    """How joins are forecast."""

    gates: GrowthGates = GrowthGates()
    """Limits that the results must meet before they are published."""

    _check_day = field_validator("as_of")(_day)

    def required_tables(self) -> tuple[str, ...]:
        """Return the names of the tables that a run needs: `referral_events`, from which growth is measured."""
        return ("referral_events",)

    def optional_tables(self) -> tuple[str, ...]:
        """Return the names of the tables that a run uses if they exist: `transactions`, to measure retention."""
        return ("transactions",)


class Uplift(Strict):
    """Settings of the uplift of asking: the probability that a user invites because of being asked."""

    of_asking: float = Field(default=0.05, ge=0, le=1)
    """Probability that a user invites because of being asked. It is used until a comparison with held-out users of
    former plans proves another one (see `measure`)."""

    measure: bool = True
    """Whether to compare the users whom former plans asked with those whom they held out. The measured difference
    replaces `of_asking` if its 95 % interval lies above 0."""

    days: int = Field(default=28, ge=1, le=180)
    """Number of days after a plan in which an invitation is taken as its effect. Younger plans are not compared."""


class Money(Strict):
    """Settings of the worth of a new user and the cost of asking."""

    new_user: float = Field(default=20.0, ge=0)
    """Worth of a new user, in the shop's currency. Used only if there is no table `user_scores`; else the worth is the
    mean of its `expected_spend_30d` on the newest day, times `margin`."""

    margin: float = Field(default=1.0, gt=0)
    """Share of the expected spending that counts as worth. Used only with `user_scores`."""

    of_asking: float = Field(default=0.02, ge=0)
    """Cost of asking one user, in the shop's currency. With 0, `budget` sets no limit."""

    reward: float = Field(default=0.0, ge=0)
    """Reward paid for each new user, in the shop's currency; it is subtracted from the worth."""

    budget: float | None = Field(default=None, ge=0)
    """Greatest cost of asking all users of a plan, in the shop's currency. Null: no limit."""


class Caps(Strict):
    """Limits on how many users a plan chooses, and how often a user is asked."""

    users: int = Field(default=1000, ge=1)
    """Most users who are chosen, those who are held out among them."""

    per_cascade: int = Field(default=5, ge=1)
    """Most chosen users of one cascade (all who descend from one first user). Without a limit, users who all know each
    other would be asked at once."""

    rest_days: int = Field(default=30, ge=0)
    """Users whom another plan asked are not asked again within this many days. 0: no pause."""


class Fraud(Strict):
    """Limits beyond which referrals look like fraud. Such users are not asked, and are listed with the reason."""

    shared_devices: int = Field(default=2, ge=1)
    """An inviter is left out if at least this many of the users whom the inviter invited joined on a device that the
    inviter uses. The default of 2 lets a household share a device once."""

    users_per_device: int = Field(default=4, ge=2)
    """If this many users or more joined on one device, all of them are left out."""


class Reach(Strict):
    """Settings of the estimate of how many new users a plan reaches, by random reverse reachable sets."""

    sets: int = Field(default=500_000, ge=1000, le=10_000_000)
    """Number of sets in each of three samples: one to choose by, one to compare the two methods, one to estimate the
    reach. More are more precise, and need more time and memory."""

    seed: int = 0
    """Seed of the random sets. Another seed gives slightly different estimates."""


class PlanGates(ShrinkGate):
    """Limits that a plan must meet before it is published."""

    candidates: int = Field(default=1, ge=0)
    """Fewest users who may be asked (with consent, no fraud, not asked lately), before the caps. 0 lets an empty plan
    pass."""


class InviterConfig(JobConfig):
    """Settings of `choose_inviters`: how users are chosen whom the shop asks to invite friends."""

    plan: str = Field(default=LATEST, min_length=1, max_length=60, pattern=r"^[\w.-]+$")
    """Name of the plan. `latest`: the month of `as_of`, such as 2026-07. A plan that exists is kept unless `remake` is
    true."""

    as_of: date | str = LATEST
    """Only events before this day (UTC) are used. `latest`: the day after the newest event."""

    remake: bool = False
    """Whether a plan of the same name is made anew. If false, it is kept even if events have changed, because its users
    may have been asked already."""

    channel: Literal["email", "sms", "push"] = "email"
    """How users are asked. Only users who consented to it (`users.<channel>_consent`) are asked."""

    hold_out: float = Field(default=0.1, ge=0, le=0.9)
    """Share of the chosen users who are not asked, so that the effect of asking can be measured. 0: the effect cannot
    be measured."""

    uplift: Uplift = Uplift()
    """How likely a user invites because of being asked."""

    money: Money = Money()
    """The worth of a new user and the cost of asking."""

    caps: Caps = Caps()
    """Limits on the number of users."""

    fraud: Fraud = Fraud()
    """Limits beyond which referrals look like fraud."""

    reach: Reach = Reach()
    """How the number of new users is estimated."""

    gates: PlanGates = PlanGates()
    """Limits that the plan must meet before it is published."""

    _check_day = field_validator("as_of")(_day)

    def required_tables(self) -> tuple[str, ...]:
        """Return the names of the tables that a run needs: referral events, and users with their consent."""
        return ("referral_events", "users")

    def optional_tables(self) -> tuple[str, ...]:
        """Return the names of the tables that a run uses if they exist: `user_scores`, for the worth of a new user."""
        return ("user_scores",)
