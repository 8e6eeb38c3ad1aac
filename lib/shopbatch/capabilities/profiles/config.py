"""The configuration of `build_user_profiles`. Imports nothing heavy."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, Field, ValidationInfo, field_validator

from shopbatch.core.config import JobConfig, Strict
from shopbatch.core.days import LATEST, parse_days
from shopbatch.core.errors import UserError


class Gates(Strict):
    """Limits that the profiles of a day must meet before they are published.

    Money needs no limit: it must reconcile with the source to the cent.
    """

    rows: float | Literal["any"] = 0.5
    """Least users that a day may have, as a share of those of its live version, or else of the last day published
    before it, if that has 20 or more. Transactions without rows are refused, too. `any` lets every number pass."""

    drift: float = Field(default=0.5, gt=0)
    """Largest allowed relative change of the number of users, or of the mean of a steady feature, against the last
    day published before this one. 0.5 means half as much again."""

    no_purchase_share: float = Field(default=0.9, ge=0, le=1)
    """Largest allowed share (0 to 1) of users who never bought anything, among all users of the day."""


class ProfileConfig(JobConfig):
    """Which days to publish, and how a profile is computed."""

    as_of: date | str = LATEST
    """Days to publish: a day (`2017-07-01`), a range (`2017-07-01..2017-07-31`), or `latest`, which is the day after
    the newest transaction, but never later than today. Days that are already published are skipped."""

    restate: date | str | None = None
    """A day or a range of days to compute and publish again, from the sources as they are now. Null: published days
    stay as they are."""

    knowledge_cut: AwareDatetime | None = None
    """A moment with a time zone: only rows ingested by then count, and tiles are built from the sources for this run.
    Null: everything in the sources counts."""

    timezone: str = "UTC"
    """The time zone (such as `Europe/Berlin`) whose calendar days and hours are the shop's."""

    half_life_days: int = Field(90, ge=1, le=3650)
    """Age in days at which a purchase counts half in the features of taste (affinity)."""

    private_brands: tuple[str, ...] = ("Private",)
    """Values of `products.brand` that are the shop's own brands."""

    gates: Gates = Gates()
    """Limits that decide whether a day is published."""

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
        """The table that a run reads."""
        return ("transactions",)


def requested_days(config: ProfileConfig, newest: date | None) -> tuple[list[date], set[date]]:
    """Return the days to publish, and those among them that replace a published day.

    newest: the day of the newest transaction that counts, or None if there is none.
    """
    restated = set(parse_days(config.restate)) if config.restate is not None else set()
    if config.as_of != LATEST:
        return sorted({*parse_days(config.as_of), *restated}), restated
    if restated:
        return sorted(restated), restated
    if newest is None:
        raise UserError("as_of=latest: there is no transaction that counts; name a day (as_of=2017-07-01)")
    # Today is not over yet. A till with a wrong clock must not move the shop into the next century either.
    today = datetime.now(ZoneInfo(config.timezone)).date()
    return [min(newest + timedelta(days=1), today)], restated
