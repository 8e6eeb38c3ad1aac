"""Parses the days that a user names in a configuration: one day, a range of days, or LATEST (the newest day)."""

from __future__ import annotations

from datetime import date, datetime, timedelta

LATEST = "latest"
_MAX_DAYS = 3660  # of one run: a longer range is more likely a typing error


def parse_days(value: date | str) -> list[date]:
    """Return the days of `2017-07-01` (one day) or `2017-07-01..2017-07-31` (both ends included), in order.

    Raises:
        ValueError: The value is neither a day nor a range, or the range is reversed or longer than ten years.
    """
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
    if not low <= high <= low + timedelta(days=_MAX_DAYS):
        raise ValueError(f"{value!r}: expected a range of at most {_MAX_DAYS} days, the earlier one first")
    return [low + timedelta(days=n) for n in range((high - low).days + 1)]
