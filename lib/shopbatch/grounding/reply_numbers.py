"""Parses the numbers of replies and facts with their units, and compares them ("2 weeks" equals "14 days")."""

from __future__ import annotations

import calendar
import datetime as dt
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from shopbatch.grounding.lexicon import stem
from shopbatch.grounding.reply_words import Words, words
from shopbatch.text.letters import LATIN
from shopbatch.text.numerals import from_chinese, from_english, from_figures

ORDER, DATE, COUNT, CLOCK = "order", "date", "count", "clock"
_CLOCK = (CLOCK, "am", "pm")
_LONGEST, _SATURDAY, _NOON = 1000, 5, 12


@dataclass(frozen=True)
class Stated:
    """A number in a text, parsed.

    Attributes:
        value: The value in its unit. For a date it is year * 10,000 + month * 100 + day, with year 0 if none is stated.
        unit: Name of the unit; "" if none is stated. For a count it is "count:" and the stem of the counted word.
        kind: time, money, share, clock, length, count, date or order.
        start: Start of the number in the text, in characters.
        end: End of the number with its unit (exclusive).
    """

    value: float
    unit: str
    kind: str
    start: int
    end: int


_DATES_EN = (
    r"(?P<d>\d{1,2})(?:st|nd|rd|th)? (?:of )?(?P<m>MONTH)(?:,? (?P<y>\d{4}))?"
    r"|(?P<m2>MONTH) (?P<d2>\d{1,2})(?:st|nd|rd|th)?(?:,? (?P<y2>\d{4}))?"
    r"|(?<![\d/])(?P<m3>\d{1,2})/(?P<d3>\d{1,2})/(?P<y3>\d{4})|(?P<y4>\d{4})-(?P<m4>\d{1,2})-(?P<d4>\d{1,2})"
)
_DATES_ZH = (
    r"(?:(?P<y>\d{4})年)?(?P<m>\d{1,2})月(?P<d>\d{1,2})[日号]"
    r"|(?P<y2>\d{4})[-/.](?P<m2>\d{1,2})[-/.](?P<d2>\d{1,2})|(?<![\d月])(?P<d3>\d{1,2})[日号](?=[之以]?前|为止)"
)


@dataclass(frozen=True)
class _Patterns:
    number: re.Pattern[str]
    range: re.Pattern[str]
    unit: re.Pattern[str]
    before: re.Pattern[str]
    noun: re.Pattern[str]
    orders: re.Pattern[str]
    dates: re.Pattern[str]


@lru_cache(maxsize=2)
def _patterns(language: str) -> _Patterns:
    file = words(language).file
    units = "|".join(f"(?P<{name}>{unit.names})" for name, unit in file.units.items())
    before = "|".join(f"(?P<{name}>{unit.before})" for name, unit in file.units.items() if unit.before)
    months = "|".join(file.months)
    before_number = rf"(?<![{LATIN}\d.])" if language == "zh" else r"(?<![\w.])"
    behind_unit = "" if language == "zh" else f"(?![{LATIN}])"
    gap = r"\s*" if language == "zh" else r"[\s-]*"
    return _Patterns(
        number=re.compile(rf"{before_number}(?:{file.numbers_of})", re.I),
        range=re.compile(r"\s*(?:-|–|—|to|and|or|through|到|至|~|～)\s*(?:\$|€|£)?", re.I),
        unit=re.compile(rf"{gap}(?:{units}){behind_unit}", re.I),
        before=re.compile(rf"(?:{before})\s*$", re.I),
        noun=re.compile(file.counted, re.I),
        orders=re.compile(file.orders),
        dates=re.compile(_DATES_ZH if language == "zh" else _DATES_EN.replace("MONTH", months), re.I),
    )


def numbers(text: str, language: str) -> list[Stated]:
    """Return the numbers of a text in order, without overlaps: dates, order numbers, counts and measures.

    Args:
        text: The text.
        language: "zh"; any other is read as English.
    """
    known, taken = words(language), [False] * len(text)
    out = []
    for stated in (*_dates(text, known), *_orders(text, known), *_worded(text, known), *_measured(text, known)):
        if not any(taken[stated.start : stated.end]):
            taken[stated.start : stated.end] = [True] * (stated.end - stated.start)
            out.append(stated)
    return sorted(out, key=lambda stated: stated.start)


def _dates(text: str, known: Words) -> Iterator[Stated]:
    for m in _patterns(known.language).dates.finditer(text):
        said = {name[0]: value for name, value in m.groupdict().items() if value}
        year, month, day = said.get("y"), said.get("m", "0"), said["d"]
        number = month if month.isdigit() else known.file.months.index(month.lower()) + 1
        yield Stated(int(year or 0) * 10_000 + int(number) * 100 + int(day), "", DATE, *m.span())


def _orders(text: str, known: Words) -> Iterator[Stated]:
    for m in _patterns(known.language).orders.finditer(text):
        yield Stated(float(int(re.sub(r"\D", "", m[0])[:15])), m[0].lstrip("#").lower(), ORDER, *m.span())


def _worded(text: str, known: Words) -> Iterator[Stated]:
    """Yield the numbers whose half stands behind the unit ("an hour and a half"), and words for 12 o'clock ("noon")."""
    for m in re.finditer(known.file.halves, text, re.I):
        unit, _ = _unit(f"1 {m['u']}", 0, 1, known)
        value = _value(m["n"], known.language)
        if unit and value is not None:
            yield Stated(value + 0.5, unit, known.file.units[unit].kind, *m.span())
    for m in re.finditer(known.file.noon, text, re.I):
        yield Stated(12.0, "pm" if known.language == "en" else CLOCK, CLOCK, *m.span())


def _measured(text: str, known: Words) -> Iterator[Stated]:
    """Yield counts and numbers with a unit; the numbers of a range ("2-3 days") share the unit of the last one."""
    patterns = _patterns(known.language)
    found = list(patterns.number.finditer(text))
    later: list[tuple[float, int, int]] = []  # first numbers of a range, waiting for the unit of the last one
    for place, m in enumerate(found):
        value = _value(m[0], known.language)
        if value is None:
            continue
        following = found[place + 1] if place + 1 < len(found) else None
        unit, end = _unit(text, m.start(), m.end(), known)
        if not unit and following is not None and patterns.range.fullmatch(text[m.end() : following.start()]):
            later.append((value, m.start(), m.end()))
            continue
        kind = known.file.units[unit].kind if unit in known.file.units else COUNT
        if unit == CLOCK and value < _NOON and re.search(known.file.afternoon, text[: m.start()]):
            value += _NOON
        for first, start, stop in later:
            yield Stated(first, unit, kind, start, stop)
        later = []
        yield Stated(value, unit, kind, m.start(), end)


def _value(number: str, language: str) -> float | None:
    """Return the value of a number in figures or words ("1,500" -> 1500.0, "a" -> 1.0); None if it cannot be read."""
    if number[0].isdigit():
        return from_figures(number.rstrip(".,"))
    if language == "zh":
        return from_chinese(number)
    return 1.0 if number.lower() in ("a", "an") else from_english(number)


def _unit(text: str, start: int, end: int, known: Words) -> tuple[str, int]:
    """Return the unit of the number at [start, end), and the end position of number and unit; ("", end) without a unit.

    A listed unit may stand behind the number or before it ("$"). Without one, the word behind the number is the unit
    (3 parcels -> "count:parcel").
    """
    patterns = _patterns(known.language)
    if m := patterns.unit.match(text, end):
        return str(m.lastgroup), m.end()
    if m := patterns.before.search(text[max(0, start - 6) : start]):
        return str(m.lastgroup), end
    if (m := patterns.noun.match(text, end)) and (known.language == "zh" or stem(m[1]) not in known.empty):
        return f"{COUNT}:{stem(m[1])}", end
    return "", end


def base(stated: Stated, language: str) -> tuple[str, float]:
    """Return (unit, value) of a number in the smallest unit of its family: 2 weeks -> ("minute", 20160)."""
    units, unit, value = words(language).file.units, stated.unit, stated.value
    if unit in _CLOCK:
        return CLOCK, value % 12 + 12 * (unit == "pm") if unit != CLOCK else value
    if unit == "tenth":  # 八五折: 15 % off
        return "percent", round(100 - value * (10 if value < 10 else 1), 6)
    while unit in units and units[unit].of:
        value, unit = value * units[unit].factor, units[unit].of
    return unit, round(value, 6)


def equal(one: Stated, other: Stated, language: str) -> bool:
    """Return True if a number of a reply equals a number of a fact, also in another unit (2 weeks, 14 days).

    The reply may leave out the unit, or the year of a date. Counts may be of things with different names.

    Args:
        one: The number of the reply.
        other: The number of the fact.
        language: Language of both.
    """
    if one.kind in (DATE, ORDER) or other.kind in (DATE, ORDER):
        if one.kind == other.kind == DATE:
            return one.value == other.value or (_has_no_year(one, other) and one.value % 10_000 == other.value % 10_000)
        return one.kind == other.kind and one.unit == other.unit
    if one.kind == other.kind == COUNT:
        exclusive = {f"{COUNT}:{stem(word)}" for word in words(language).file.exclusive.split()}
        return one.value == other.value and not (one.unit != other.unit and {one.unit, other.unit} <= exclusive)
    if COUNT in (one.kind, other.kind):
        return one.value == other.value and "" in (one.unit, other.unit) and one.kind == COUNT
    return base(one, language) == base(other, language)


def _has_no_year(one: Stated, other: Stated) -> bool:
    return min(one.value, other.value) < 10_000


def reckoned(begun: Stated, span: Stated) -> tuple[int, int] | None:
    """Return (month, day) of the last day of a period that begins on a date; None if it cannot be calculated.

    Args:
        begun: The date, with a year.
        span: The length: a whole number of days, business days (Monday to Friday), weeks, months or years.
    """
    day, number = day_of(begun), int(span.value)
    if day is None or number != span.value or not 0 < number < _LONGEST:
        return None
    if span.unit in ("day", "week"):
        last = day + dt.timedelta(days=number * (7 if span.unit == "week" else 1))
    elif span.unit == "wday":
        last = day
        while number:
            last += dt.timedelta(days=1)
            number -= last.weekday() < _SATURDAY
    elif span.unit in ("month", "year"):
        year, month = divmod(day.year * 12 + day.month - 1 + number * (12 if span.unit == "year" else 1), 12)
        last = dt.date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
    else:
        return None
    return last.month, last.day


def derived_values(kind: str, given: Sequence[Stated], facts: Sequence[Stated]) -> Iterator[float]:
    """Yield the amounts or counts that can be calculated from one given number and numbers of the facts.

    The calculations are: an amount times or divided by a count, the sum or a difference of two numbers, a percentage of
    an amount or what remains of the amount, and the rule of three.

    Args:
        kind: Kind of the results, "money" or "count".
        given: Numbers that the question or the customer's orders state.
        facts: Numbers that the facts state.
    """
    for one in given:
        for fact in facts:
            if fact.kind == "share" and one.kind == kind:
                yield from (one.value * fact.value / 100, one.value * (1 - fact.value / 100))
            if fact.kind == kind:
                yield from (one.value - fact.value, fact.value - one.value, one.value + fact.value)
                yield from (fact.value * one.value,) if one.kind == COUNT else ()
            elif one.kind == kind and fact.kind == COUNT:
                yield from (one.value * fact.value, one.value / (fact.value or 1))
            for other in facts:
                if fact.kind == kind and other.kind == COUNT and other.value > 1 and other is not fact:
                    yield one.value * fact.value / other.value


def day_of(stated: Stated) -> dt.date | None:
    """Return the day of a `Stated` date; None if it has no year or if the calendar has no such day."""
    year, rest = divmod(int(stated.value), 10_000)
    try:
        return dt.date(year, *divmod(rest, 100)) if year else None
    except ValueError:
        return None
