"""The configuration of `plan_campaigns`. Imports nothing heavy."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from shopbatch.core.config import JobConfig, Strict
from shopbatch.core.shrink_gate import ShrinkGate

LATEST = "latest"
Hour = Annotated[int, Field(ge=0, le=24)]
Money = Annotated[Decimal, Field(ge=0, max_digits=12, decimal_places=4)]
Channel = Literal["email", "sms", "push"]


class CampaignConfig(Strict):
    """A campaign that is to be planned."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,60}$")
    """Its name: small letters, digits, - and _. With the day it is the `campaign_id`."""
    channel: Channel
    """How users are addressed. Only those who agreed to that channel are."""
    cost: Money
    """What a message costs, in the shop's currency."""
    budget: Money
    """What all messages of the day may cost."""
    hours: tuple[Hour, Hour] = (9, 20)
    """From which hour until which (apart) of the user's day messages may be sent. Quiet hours are left out of them."""
    holdout: float = Field(default=0.1, ge=0, le=0.9)
    """Share of the audience that is left out, so that the effect can be measured. Exact to one user."""
    margin: float = Field(default=0.3, gt=0, le=1)
    """Share of the money that the shop keeps."""
    value: float | None = Field(default=None, ge=0)
    """What one unit of the outcome is worth, in the shop's currency. Null: of a purchase, the margin of the user's
    mean basket; of money, the margin."""
    coupon: Money = Decimal(0)
    """What a coupon that comes with the message costs the shop when it is redeemed. Who would buy anyway redeems it,
    too, so what coupons are expected to cost is taken off the gain. It is no part of `budget`."""
    min_gain: float = 0.0
    """Least expected gain of a message, in the shop's currency; it has to be above this."""
    exclude: tuple[str, ...] = ()
    """Who is left out of this campaign: files of user ids, one a line, or `table:NAME` for the users of a table."""

    @field_validator("hours")
    @classmethod
    def _in_order(cls, hours: tuple[int, int]) -> tuple[int, int]:
        if hours[0] >= hours[1]:
            raise ValueError("the first hour has to be before the last one")
        return hours


class CapConfig(Strict):
    """How many messages a user may get."""

    messages: int = Field(ge=0)
    """Most messages."""
    days: int = Field(ge=1, le=366)
    """In any so many days in a row around the day that is planned."""
    channel: Channel | None = None
    """Of which channel. Null: of all together."""


class QuietConfig(Strict):
    """Hours of the user's day in which nothing is sent."""

    channel: Channel
    """Of which channel."""
    begin: Hour
    """From which hour on."""
    end: Hour
    """Until which hour (apart); if it is not greater, over midnight."""


class Gates(ShrinkGate):
    """What a plan has to meet."""

    unproven: bool = False
    """Whether to plan although no effect of a message is proven: the mean effect's interval holds 0 and no uplift
    model was found."""


class PlanConfig(JobConfig):
    """What is planned, for which day, and within which limits."""

    campaigns: tuple[CampaignConfig, ...] = ()
    """The campaigns. An earlier one comes first where a user may get only one message."""
    day: date | str = LATEST
    """The day that is planned, or `latest`: the day after the newest day with a purchase."""
    model: str = "uplift@live"
    """The model that says what a message adds."""
    caps: tuple[CapConfig, ...] = ()
    """How many messages a user may get. What `campaigns` and earlier plans hold counts."""
    quiet_hours: tuple[QuietConfig, ...] = ()
    """When nothing is sent."""
    timezone: str = "UTC"
    """The shop's time zone, as in `build_user_profiles`. A channel without quiet hours uses it for users whose time
    zone is not known; by other channels these are not addressed."""
    default_time_zone: str = ""
    """The time zone of users who state none and whose market is not known. Empty: none."""
    exclude: tuple[str, ...] = ()
    """Who is left out of every campaign: files of user ids, one a line, or `table:NAME` for the users of a table."""
    gates: Gates = Gates()
    """What a plan has to meet."""

    @field_validator("day")
    @classmethod
    def _day(cls, value: date | str) -> date | str:
        return value if isinstance(value, date) or value == LATEST else date.fromisoformat(value)

    @model_validator(mode="after")
    def _once(self) -> PlanConfig:
        names = [campaign.name for campaign in self.campaigns]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"campaigns: {min(twice)} is declared twice")
        return self

    def required_tables(self) -> tuple[str, ...]:
        """The users with their consent, and what they did."""
        return ("users", "user_daily")

    def optional_tables(self) -> tuple[str, ...]:
        """What was sent and planned before; of campaigns with coupons also who will buy, and who redeemed some."""
        return ("campaigns", "campaign_plan", "user_scores", "redemptions")

    def required_models(self) -> dict[str, str]:
        """The model of what a message moves."""
        return {"model": self.model}
