"""Days as a user names them in a configuration: one, a range, or the newest."""

from __future__ import annotations

from datetime import date, datetime, timedelta

LATEST = "latest"
_MAX_DAYS = 3660  # of one run: a longer range is more likely a typing error


def parse_days(value: date | str) -> list[date]:
    """Return the days of `2017-07-01` or `2017-07-01..2017-07-31`, in order; ValueError if it is neither."""
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
