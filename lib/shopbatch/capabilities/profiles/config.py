"""Settings of the job `build_user_profiles`. The module imports nothing heavy, so the command line loads fast."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, Field, ValidationInfo, field_validator

from shopbatch.core.config import JobConfig, Strict
from shopbatch.core.days import LATEST, parse_days
from shopbatch.core.errors import UserError


class Gates(Strict):
    """Limits that the profiles of one day must meet before they are published.

    There is no limit for money, because the money of the profiles must always agree with the source to the cent.
    """

    rows: float | Literal["any"] = 0.5
    """Smallest number of users that a day may have, as a share of the users in the day's live version. For a day not
    yet published, the last published day before it is compared. Ignored if fewer than 20 users are compared. `any`
    accepts every number. An empty transactions table is refused unless it is `any`."""

    drift: float = Field(default=0.5, gt=0)
    """Largest relative change, up or down, that the number of users or the mean of a steady feature (such as sales_30d)
    may show against the last day published before this one. 0.5 allows changes of up to 50 %."""

    no_purchase_share: float = Field(default=0.9, ge=0, le=1)
    """Largest share (0 to 1) of the day's users who may never have bought anything. A larger share mostly means that
    transactions are missing or that their user ids differ from those of `users`."""


class ProfileConfig(JobConfig):
    """Settings of the job `build_user_profiles`: which days to publish, and how profiles are computed and checked."""

    as_of: date | str = LATEST
    """Days to publish: a day (`2017-07-01`), a range (`2017-07-01..2017-07-31`), or `latest`, which is the day after
    the newest transaction, but never later than today. Days that are already published are skipped."""

    restate: date | str | None = None
    """A day, or a range of days, whose profiles are computed again from the sources as they are now and replace the
    published ones. Null: published days stay as they are."""

    knowledge_cut: AwareDatetime | None = None
    """A moment with a time zone (`2017-07-01T00:00:00Z`): only rows that had been ingested by then are used. The run
    then computes its tiles from the sources and does not use the stored ones. Null: all rows are used."""

    timezone: str = "UTC"
    """The shop's time zone (such as `Europe/Berlin`). It decides on which calendar day and at which hour a purchase or
    event falls. A change makes the next run rebuild all tiles."""

    half_life_days: int = Field(90, ge=1, le=3650)
    """Age in days at which a purchase has half its weight in the features of taste, such as top_brands. Smaller values
    follow new habits sooner; larger values give steadier features."""

    private_brands: tuple[str, ...] = ("Private",)
    """Values of `products.brand` that are the shop's own brands; private_label_share is computed from them. If empty,
    that share is 0."""

    gates: Gates = Gates()
    """Limits that a day's profiles must meet to be published."""

    @field_validator("as_of", "restate")
    @classmethod
    def _days(cls, value: date | str | None, info: ValidationInfo) -> date | str | None:
        if value is not None and (info.field_name, value) != ("as_of", LATEST):
            parse_days(value)
        return value

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"no time zone {value!r}; expected one such as Europe/Berlin or UTC") from None
        return value

    def required_tables(self) -> tuple[str, ...]:
        """Return the names of the tables without which a run cannot start: only `transactions`."""
        return ("transactions",)


def requested_days(config: ProfileConfig, newest: date | None) -> tuple[list[date], set[date]]:
    """Return the sorted days that a run should publish, and the set of those that replace an already published day.

    `latest` becomes the day after the newest transaction, but never later than today in the shop's time zone. If
    `restate` is set and `as_of` is `latest`, only the restated days are returned.

    Args:
        config: Settings of the job.
        newest: Day of the newest transaction that was not rejected; None if there is none.

    Raises:
        UserError: `as_of` is `latest`, and every transaction was rejected or there is none.
    """
    restated = set(parse_days(config.restate)) if config.restate is not None else set()
    if config.as_of != LATEST:
        return sorted({*parse_days(config.as_of), *restated}), restated
    if restated:
        return sorted(restated), restated
    if newest is None:
        raise UserError("as_of=latest: there is no transaction that counts; name a day (as_of=2017-07-01)")
    # Today is not over yet. And a till with a wrong clock must not produce a day in the next century.
    today = datetime.now(ZoneInfo(config.timezone)).date()
    return [min(newest + timedelta(days=1), today)], restated
