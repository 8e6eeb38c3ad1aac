"""Calculates deadlines from an order's dates and a policy's values ("30 days after delivery" -> a date).

The dates are calculated in code, never by a model. The words are in `deadlines.yaml`.
"""

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

VERSION = 1  # of the calculation, deadlines.yaml included
_NUMBER = re.compile(r"\d+|[零〇一二两三四五六七八九十百]+|[a-z]+(?:[ -][a-z]+)?", re.I)
_LONGEST = 30 * 366  # in days; a longer span is not a shop's deadline


class _Unit(WordFile):
    """A unit of time in `deadlines.yaml`: a pattern of its names, and its length in days or in months."""

    names: str
    days: int = 0
    months: int = 0


class _Words(WordFile):
    """The content of `deadlines.yaml`.

    Attributes:
        roles: Role of a policy's value (such as return_days) -> the event at which the period begins if the policy's
            sentence names none. Values of other roles are no periods and give no deadline.
        events: For each event (a column of `orders`), the patterns of words that name it.
        units: The units of time.
        business: Pattern of words by which days are business days.
    """

    roles: dict[str, str]
    events: dict[str, tuple[str, ...]]
    units: dict[str, _Unit]
    business: str


@dataclass(frozen=True)
class Deadline:
    """The last day of a period that a policy grants, counted from an event of an order.

    Attributes:
        role: The role of the policy's value, such as return_days.
        value: The value and its unit, as the policy writes them ("30 days").
        source: Id of the policy's section.
        start: Where value and unit begin in the section's text, in characters.
        end: Where they end, exclusive.
        event: The column of `orders` from which the period counts, such as delivered_at.
        begun: The day of that event.
        last: The last day of the period.
        business: True if business days were counted.
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
    """Return the content of `deadlines.yaml`, read once per process."""
    return read_words(_Words, "shopbatch.capabilities.support.answers", "deadlines.yaml")


def deadlines(section: Section, events: Mapping[str, dt.date], holidays: Collection[dt.date] = ()) -> list[Deadline]:
    """Calculate the deadlines that follow from a section's values and an order's events.

    A value gives no deadline if it is no period of time, or if the period counts from an event that has not happened.

    Args:
        section: A section of a policy.
        events: Day of each event that has happened, by column of `orders` (placed_at, shipped_at, delivered_at).
        holidays: Days that are not business days, in addition to Saturdays and Sundays.
    """
    return [d for value in section.values if (d := _deadline(section, value, events, holidays)) is not None]


def _deadline(
    section: Section, value: Value, events: Mapping[str, dt.date], holidays: Collection[dt.date]
) -> Deadline | None:
    """Return the deadline that one value of a section sets; None if it sets none, or a period of more than 30 years."""
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
    """Return the event (a column of `orders`) that the sentence names nearest to the value.

    Args:
        sentence: The sentence that holds the value.
        place: Where the value begins in the sentence, in characters.
        usual: The event to return if the sentence names none.
    """
    nearest: list[tuple[int, str]] = []
    for event, patterns in _words().events.items():
        for pattern in patterns:
            nearest += [(abs(m.start() - place), event) for m in re.finditer(pattern, sentence, re.I)]
    return min(nearest)[1] if nearest else usual


def _with_unit(text: str, value: Value) -> tuple[int, _Unit | None]:
    """Find the unit of time of a policy's value: inside the value ("30 days"), or after it in the section's text.

    Args:
        text: The section's text.
        value: The value.

    Returns:
        The end of value and unit in the text, in characters, and the unit. Without a unit: the end of the value, and
        None.
    """
    for unit in _words().units.values():
        if re.search(rf"\d\s*(?:{unit.names})$|(?:^|\s|[一-龥])(?:{unit.names})$", value.text, re.I):
            return value.end, unit
    for unit in _words().units.values():
        if m := re.compile(rf"[\s-]*(?:{unit.names})", re.I).match(text, value.end):
            return m.end(), unit
    return value.end, None


def _number(words: str) -> int | None:
    """Return the whole number with which a value begins, in figures or words ("30 days" -> 30).

    Returns:
        None if the value does not begin with a number, or if the number is 0 or not whole.
    """
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
    """Return the day that is `number` units after `begun`, counting business days only if `business` is True."""
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
    """Return the same day of a later month, or that month's last day if it is shorter."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return dt.date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
