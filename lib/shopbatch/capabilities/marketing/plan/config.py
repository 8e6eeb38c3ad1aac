"""Settings of the job `plan_campaigns`. Imports nothing heavy, so that the command line starts fast."""

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
    """Settings of one campaign that is to be planned."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,60}$")
    """Name of the campaign: lower-case letters, digits, - and _. Name and day together are the `campaign_id`
    (`spring-2026-04-01`)."""
    channel: Channel
    """How users are addressed. Only users who consented to this channel (`users.<channel>_consent`) get a message."""
    cost: Money
    """Cost of one message, in the shop's currency. With 0, the budget sets no limit."""
    budget: Money
    """Greatest cost of all messages of this campaign on the day, in the shop's currency."""
    hours: tuple[Hour, Hour] = (9, 20)
    """First and last hour of the user's local day between which messages may be sent; the last one is exclusive: (9,
    20) is 09:00 to 19:59. `quiet_hours` are taken out of it."""
    holdout: float = Field(default=0.1, ge=0, le=0.9)
    """Share of the audience that gets no message, so that `measure_campaigns` can measure the effect. Exact to one
    user. More makes the measurement more precise and the campaign smaller; 0 makes it impossible to measure."""
    margin: float = Field(default=0.3, gt=0, le=1)
    """Share of the sales that the shop keeps as profit (0.3: 30 %). It turns expected sales into gain unless `value` is
    set."""
    value: float | None = Field(default=None, ge=0)
    """Worth of one unit of the model's outcome, in the shop's currency. Null: for the outcome `sales`, `margin`; for
    purchases or baskets, `margin` times the user's mean basket."""
    coupon: Money = Decimal(0)
    """Cost to the shop of one redeemed coupon that comes with the message; 0: no coupon. Users who would have bought
    anyway redeem it, too, so the expected cost is subtracted from the gain. It is not part of `budget`."""
    min_gain: float = 0.0
    """A user gets a message only if its expected gain is greater than this, in the shop's currency. Raise it to address
    fewer users."""
    exclude: tuple[str, ...] = ()
    """Lists of users who do not get this campaign: files with one user id a line, or `table:NAME` for all users of a
    table of the warehouse."""

    @field_validator("hours")
    @classmethod
    def _in_order(cls, hours: tuple[int, int]) -> tuple[int, int]:
        if hours[0] >= hours[1]:
            raise ValueError("the first hour has to be before the last one")
        return hours


class CapConfig(Strict):
    """A limit on the number of messages per user."""

    messages: int = Field(ge=0)
    """Most messages that a user may get in `days` days. 0: none at all."""
    days: int = Field(ge=1, le=366)
    """Length of the period in days. Messages less than this many days before or after the planned day are counted."""
    channel: Channel | None = None
    """The channel whose messages count. Null: the messages of all channels together."""


class QuietConfig(Strict):
    """Hours of the user's local day in which a channel sends nothing."""

    channel: Channel
    """The channel to which the quiet hours apply."""
    begin: Hour
    """First quiet hour of the user's local day, 0 to 24."""
    end: Hour
    """Hour at which messages may be sent again. If it is not greater than `begin`, the quiet hours last over midnight
    (21 to 8)."""


class Gates(ShrinkGate):
    """Limits that a plan has to meet before it is published."""

    unproven: bool = False
    """Whether to publish a plan although no effect of a message is proven: the 95 % interval of the mean effect
    contains 0, and `train_uplift` found no uplift model."""


class PlanConfig(JobConfig):
    """Settings of `plan_campaigns`: the campaigns, the day, and the limits on messages."""

    campaigns: tuple[CampaignConfig, ...] = ()
    """The campaigns of the day. Where a cap allows a user only one more message, the campaign that comes first here
    gets the user."""
    day: date | str = LATEST
    """The day to plan (2026-04-01), or `latest`: the day after the newest day in `user_daily`."""
    model: str = "uplift@live"
    """The model that predicts what a message adds to each user's purchases, `uplift@live` or `uplift@DIGEST`; see
    `train_uplift`."""
    caps: tuple[CapConfig, ...] = ()
    """Limits on messages per user. Messages that the table `campaigns` and the plans of other days hold count towards
    them."""
    quiet_hours: tuple[QuietConfig, ...] = ()
    """Hours in which a channel sends nothing; the first entry of a channel counts."""
    timezone: str = "UTC"
    """The shop's time zone, as in `build_user_profiles`. For users whose time zone is unknown, channels without quiet
    hours use it; channels with quiet hours do not address these users unless `default_time_zone` is set."""
    default_time_zone: str = ""
    """The time zone (IANA name) of users who state none and whose market is unknown. Empty: see `timezone`."""
    exclude: tuple[str, ...] = ()
    """Lists of users who get no campaign at all: files with one user id a line, or `table:NAME` for all users of a
    table of the warehouse."""
    gates: Gates = Gates()
    """Limits that a plan has to meet before it is published."""

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
        """Return the names of the tables that a run needs: users with their consent, and their daily purchases."""
        return ("users", "user_daily")

    def optional_tables(self) -> tuple[str, ...]:
        """Return the names of the tables that a run uses if they exist.

        `campaigns` and `campaign_plan` hold former messages, which count towards the caps. `user_scores` and
        `redemptions` serve to estimate the cost of coupons.
        """
        return ("campaigns", "campaign_plan", "user_scores", "redemptions")

    def required_models(self) -> dict[str, str]:
        """Return the model that a run needs, as {setting: model}: `{"model": "uplift@live"}`."""
        return {"model": self.model}
