"""Work out when a message may be sent: within certain hours of the user's local day, outside quiet hours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from shopbatch.text.word_files import WordFile, read_words


class _TimeZones(WordFile):
    """The content of the file `time_zones.yaml`: the IANA time zones of each market (country code)."""

    zones: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Span:
    """The period in which a message may be sent, in UTC: from `begin` on, until just before `end`."""

    begin: datetime
    end: datetime


@lru_cache(maxsize=1)
def zones_of_markets() -> Mapping[str, tuple[str, ...]]:
    """Return the IANA time zones of each market (country code), from `time_zones.yaml`."""
    return read_words(_TimeZones, "shopbatch.capabilities.marketing.plan", "time_zones.yaml").zones


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo | None:
    """Return the time zone of an IANA name ("Europe/Berlin"); None if there is no zone of that name."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # users type it: it may name a folder, or be no valid path
        return None


def zones_of(time_zone: str | None, market: str | None) -> tuple[ZoneInfo, ...]:
    """Return the time zones that a user may be in: the user's own if it is valid, else all zones of the market.

    Args:
        time_zone: The IANA name that the user states; None if unknown.
        market: The user's country code; None if unknown.

    Returns:
        The time zones; () if neither is known.
    """
    own = zone(time_zone) if time_zone else None
    if own is not None:
        return (own,)
    names = zones_of_markets().get((market or "").upper(), ())
    return tuple(known for name in names if (known := zone(name)) is not None)


def open_hours(hours: tuple[int, int], quiet: tuple[int, int] | None) -> tuple[int, int] | None:
    """Return the hours of a day in which a message may be sent: the wanted hours without the quiet ones.

    Args:
        hours: First and last wanted hour, 0 to 24; the last one is exclusive.
        quiet: First and last quiet hour, the last one exclusive; if it is not greater than the first one, the quiet
            hours last over midnight. None: no quiet hours.

    Returns:
        First and last hour, the last one exclusive. If quiet hours split the wanted ones, the part before them. None if
        nothing is left.
    """
    first, last = hours
    if quiet is None:
        return hours
    begin, end = quiet
    free = [(end, begin)] if begin >= end else [(0, begin), (end, 24)]
    for low, high in free:
        if max(low, first) < min(high, last):
            return max(low, first), min(high, last)
    return None


def span(day: date, hours: tuple[int, int], zones: Sequence[ZoneInfo]) -> Span | None:
    """Return the period, in UTC, in which every one of these time zones is within the given hours of the given day.

    A user of a market with several time zones is so never addressed at a wrong hour.

    Args:
        day: The local day.
        hours: First and last local hour, the last one exclusive; 24 is midnight at the end of the day.
        zones: The time zones that the user may be in, at least one.

    Returns:
        The period; None if there is no moment that suits all zones.
    """
    spans = [(_at(day, hours[0], where), _at(day, hours[1], where)) for where in zones]
    begin, end = max(begin for begin, _ in spans), min(end for _, end in spans)
    return Span(begin, end) if begin < end else None


def _at(day: date, hour: int, where: ZoneInfo) -> datetime:
    local = datetime.combine(day + timedelta(days=hour // 24), time(hour % 24), where)
    return local.astimezone(UTC)
