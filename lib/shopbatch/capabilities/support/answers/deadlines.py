"""Dates that are reckoned from an order and a policy's value, in code and never by a model (deadlines.yaml)."""

from __future__ import annotations

import calendar
import datetime as dt
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache

from shopbatch.capabilities.support.answers.policies import Section, Value
from shopbatch.grounding.sentences import sentence_at
from shopbatch.text.numerals import from_chinese, from_english, from_figures
from shopbatch.text.word_files import WordFile, read_words

VERSION = 1  # of what is reckoned, words included
_NUMBER = re.compile(r"\d+|[零〇一二两三四五六七八九十百]+|[a-z]+(?:[ -][a-z]+)?", re.I)
_LONGEST = 30 * 366  # days; more is no deadline of a shop


class _Unit(WordFile):
    names: str
    days: int = 0
    months: int = 0


class _Words(WordFile):
    roles: dict[str, str]
    events: dict[str, tuple[str, ...]]
    units: dict[str, _Unit]
    business: str


@dataclass(frozen=True)
class Deadline:
    """The last day of a span of time.

    Attributes:
        role: The role of the policy's value.
        value: The words of the value with their unit.
        source: Id of the section.
        start: Where the value with its unit begins in the section's text.
        end: Where it ends.
        event: The column of `orders` that the span begins with.
        begun: The day of that event.
        last: The last day.
        business: Whether business days were counted.
    """

    role: str
    value: str
    source: str
    start: int
    end: int
    event: str
    begun: dt.date
    last: dt.date
    business: bool


@lru_cache(maxsize=1)
def _words() -> _Words:
    return read_words(_Words, "shopbatch.capabilities.support.answers", "deadlines.yaml")


def deadlines(section: Section, events: Mapping[str, dt.date], holidays: Collection[dt.date] = ()) -> list[Deadline]:
    """Reckon the last days that follow from a section's values and an order's events.

    A value that is no span of time, or begins with an event that has not happened, gives none.

    Args:
        section: The section of a policy.
        events: Days by column of `orders` (placed_at, shipped_at, delivered_at).
        holidays: Days that are no business days, besides Saturdays and Sundays.
    """
    return [d for value in section.values if (d := _deadline(section, value, events, holidays)) is not None]


def _deadline(
    section: Section, value: Value, events: Mapping[str, dt.date], holidays: Collection[dt.date]
) -> Deadline | None:
    words = _words()
    if value.role not in words.roles:
        return None
    first, last = sentence_at(section.text, value.start)
    sentence = section.text[first:last]
    event = _event(sentence, value.start - first, words.roles[value.role])
    end, unit = _with_unit(section.text, value)
    begun, number = events.get(event), _number(value.text)
    if begun is None or number is None or unit is None:
        return None
    business = bool(re.search(words.business, section.text[value.start : end], re.I))
    if number * (unit.days + 31 * unit.months) > _LONGEST:
        return None
    day = _after(begun, number, unit, business, holidays)
    text = section.text[value.start : end]
    return Deadline(value.role, text, section.id, value.start, end, event, begun, day, business)


def _event(sentence: str, place: int, usual: str) -> str:
    """The event that a sentence names nearest to the value; the usual one where it names none."""
    nearest: list[tuple[int, str]] = []
    for event, patterns in _words().events.items():
        for pattern in patterns:
            nearest += [(abs(m.start() - place), event) for m in re.finditer(pattern, sentence, re.I)]
    return min(nearest)[1] if nearest else usual


def _with_unit(text: str, value: Value) -> tuple[int, _Unit | None]:
    """Where a value ends with its unit, which may stand behind it, and the unit."""
    for unit in _words().units.values():
        if re.search(rf"\d\s*(?:{unit.names})$|(?:^|\s|[一-龥])(?:{unit.names})$", value.text, re.I):
            return value.end, unit
    for unit in _words().units.values():
        if m := re.compile(rf"[\s-]*(?:{unit.names})", re.I).match(text, value.end):
            return m.end(), unit
    return value.end, None


def _number(words: str) -> int | None:
    """The whole number that a value begins with."""
    match = _NUMBER.match(words.strip())
    if match is None:
        return None
    said = match[0]
    if said[0].isdigit():
        number = from_figures(said)
    else:
        number = from_english(said) if said[0].isascii() else from_chinese(said)
    return int(number) if number and number == int(number) else None


def _after(begun: dt.date, number: int, unit: _Unit, business: bool, holidays: Collection[dt.date]) -> dt.date:
    if unit.months:
        return _months_after(begun, number * unit.months)
    if not business:
        return begun + dt.timedelta(days=number * unit.days)
    day, left = begun, number * unit.days
    while left:
        day += dt.timedelta(days=1)
        left -= day.weekday() < 5 and day not in holidays
    return day


def _months_after(day: dt.date, months: int) -> dt.date:
    """The same day of a later month, or that month's last one."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return dt.date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
