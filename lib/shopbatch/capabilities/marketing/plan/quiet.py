"""When a message may be sent: hours of the user's own day, quiet hours left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from shopbatch.text.word_files import WordFile, read_words


class _TimeZones(WordFile):
    """What time_zones.yaml holds."""

    zones: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Span:
    """From when and until when (apart) a message may be sent, UTC."""

    begin: datetime
    end: datetime


@lru_cache(maxsize=1)
def zones_of_markets() -> Mapping[str, tuple[str, ...]]:
    """Return the time zones of each market."""
    return read_words(_TimeZones, "shopbatch.capabilities.marketing.plan", "time_zones.yaml").zones


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo | None:
    """Return a time zone by its IANA name; None if there is none of that name."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a user's own text: it may be a folder, or no path at all
        return None


def zones_of(time_zone: str | None, market: str | None) -> tuple[ZoneInfo, ...]:
    """Return the time zones that a user may be in: the user's own, or all of the market; () if nothing is known."""
    own = zone(time_zone) if time_zone else None
    if own is not None:
        return (own,)
    names = zones_of_markets().get((market or "").upper(), ())
    return tuple(known for name in names if (known := zone(name)) is not None)


def open_hours(hours: tuple[int, int], quiet: tuple[int, int] | None) -> tuple[int, int] | None:
    """Return the hours of a day in which a message may be sent, the earlier ones if quiet hours split them.

    Args:
        hours: From which hour until which (apart) it is wanted, 0 to 24.
        quiet: From which hour until which (apart) it must not be; if the second is not greater, over midnight.
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
    """Return when all of these time zones are in those hours of that day; None if there is no such time."""
    spans = [(_at(day, hours[0], where), _at(day, hours[1], where)) for where in zones]
    begin, end = max(begin for begin, _ in spans), min(end for _, end in spans)
    return Span(begin, end) if begin < end else None


def _at(day: date, hour: int, where: ZoneInfo) -> datetime:
    local = datetime.combine(day + timedelta(days=hour // 24), time(hour % 24), where)
    return local.astimezone(UTC)
