"""The configuration of `build_user_profiles`. Light to import."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, Field, ValidationInfo, field_validator

from shopbatch.core.config import JobConfig, Strict
from shopbatch.core.errors import UserError

LATEST = "latest"
_LONGEST = 3660  # days of one run: beyond, a typo is likelier


class Gates(Strict):
    """Limits that a day's profiles must meet; money has none: it reconciles to the cent.

    drift: greatest relative change of a mean against the day published before. no_purchase_share: users who never
    bought, of all.
    """

    drift: float = Field(default=0.5, gt=0)
    no_purchase_share: float = Field(default=0.9, ge=0, le=1)


class ProfileConfig(JobConfig):
    """as_of: a day, a range `2017-07-01..2017-07-31`, or `latest`: the day after the newest transaction, at most today.

    restate: a day or range of published days to compute anew; others stay as they are. knowledge_cut: a moment with
    a zone: only what had been ingested by then counts, read from the sources. timezone: whose days these are.
    half_life_days: of tastes. private_brands: values of products.brand that are the shop's own.
    """

    as_of: date | str = LATEST
    restate: date | str | None = None
    knowledge_cut: AwareDatetime | None = None
    timezone: str = "UTC"
    half_life_days: int = Field(90, ge=1, le=3650)
    private_brands: tuple[str, ...] = ("Private",)
    gates: Gates = Gates()

    @field_validator("as_of", "restate")
    @classmethod
    def _days(cls, value: date | str | None, info: ValidationInfo) -> date | str | None:
        if value is not None and (info.field_name, value) != ("as_of", LATEST):
            days(value)
        return value

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"no time zone {value!r}; expected one such as Europe/Berlin or UTC") from None
        return value


def days(value: date | str) -> list[date]:
    """The days of `2017-07-01` or `2017-07-01..2017-07-31`, in order. ValueError if it is neither."""
    if isinstance(value, datetime):
        raise ValueError(f"{value}: expected a day such as 2017-07-01, not a moment")
    if isinstance(value, date):
        return [value]
    first, dots, last = value.partition("..")
    try:
        low = date.fromisoformat(first)
        high = date.fromisoformat(last) if dots else low
    except ValueError:
        raise ValueError(f"{value!r}: expected a day (2017-07-01) or a range (2017-07-01..2017-07-31)") from None
    if not low <= high <= low + timedelta(days=_LONGEST):
        raise ValueError(f"{value!r}: expected a range of at most {_LONGEST} days, the earlier one first")
    return [low + timedelta(days=n) for n in range((high - low).days + 1)]


def asked(config: ProfileConfig, newest: date | None) -> tuple[list[date], set[date]]:
    """The days to publish, and those of them that replace what is published. newest: day of the newest transaction."""
    again = set(days(config.restate)) if config.restate is not None else set()
    if config.as_of != LATEST:
        return sorted({*days(config.as_of), *again}), again
    if again:
        return sorted(again), again
    if newest is None:
        raise UserError("as_of=latest: there is no transaction that counts; name a day")
    # today is not over, and a till with a wrong clock must not take the shop into the next century
    today = datetime.now(ZoneInfo(config.timezone)).date()
    return [min(newest + timedelta(days=1), today)], again
