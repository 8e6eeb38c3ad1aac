"""Dates, times of day, months and days of the week in five languages, for `amounts.py`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from shopbatch.text.amount_patterns import CLOCK, COMMA, MONTH, WEEKDAY, Amount, Patterns
from shopbatch.text.amount_words import amounts_file, values_of_words
from shopbatch.text.numerals import from_chinese

HALF_DAY = 720  # minutes
_DATE = re.compile(r"(?<![\d.,/-])(?P<a>\d{1,4})(?P<s>[./-])(?P<b>\d{1,2})(?P=s)(?P<c>\d{2,4})(?![\d/-]|\.\d)")
_SHORT_DATE = re.compile(r"(?<![\d.,/-])(?P<a>\d{2})(?:/(?P<b>\d{2})(?![\d/-]|\.\d)|\.(?P<bb>0\d|1[0-2])\.(?!\d))")
_MONTH_FIRST = re.compile(r"(?<![\d.,/-])(?P<a>\d{1,2})/(?P<b>\d{1,2})(?![\d/-]|\.\d)(?!\s?(?:of|in|inch|cup|\"|小时))")
_SHORT_MONTHS = re.compile(
    r"\b(?P<n>Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\b\.?(?=\s?\d)|(?<=\d\s)(?P<m>Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\b\.?"
)
_SHORT = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH_ZH = re.compile(r"(?<![\d个])(?P<n>1[0-2]|[1-9]|十[一二]?|[一二三四五六七八九])月(?!内|饼|光|亮|子|租|费)")


def dates(text: str, language: str) -> Iterator[Amount]:
    """Yield the two or three numbers of each date in figures ("5/6/2024" -> 5, 6 and 2024).

    They stay separate numbers because it may be unclear which one is the day and which one the month.
    """
    for m in _DATE.finditer(text):
        for group in ("a", "b", "c"):
            value = float(m[group])
            short = len(m[group]) == 2 and group == "c" and m["s"] != "-"
            yield Amount(*m.span(group), (value, 2000 + value) if short else (value,))
    for m in _MONTH_FIRST.finditer(text) if language in ("en", "zh") else ():
        numbers = sorted((int(m["a"]), int(m["b"])))
        if 1 <= numbers[0] <= 12 and numbers[1] <= 31 and (numbers[1] > 12 or m["a"][0] == "0" or m["b"][0] == "0"):
            yield Amount(*m.span("a"), (float(m["a"]),))
            yield Amount(*m.span("b"), (float(m["b"]),))
    for m in _SHORT_DATE.finditer(text) if language in COMMA else ():
        month = "b" if m["b"] else "bb"
        if int(m["a"]) <= 31 and 1 <= int(m[month]) <= 12:
            yield Amount(*m.span("a"), (float(m["a"]),))
            yield Amount(*m.span(month), (float(m[month]),))


def clock(text: str, language: str, patterns: Patterns) -> Iterator[Amount]:
    """Yield the times of day in minutes since midnight, with the unit CLOCK ("5 pm" -> 1020).

    A time has two values if it may be in the morning or in the afternoon ("5 o'clock" -> 300 or 1020).
    """
    for pattern in patterns.clock:
        for m in pattern.finditer(text):
            said = m.groupdict()
            hour = said.get("h")
            if hour is None:  # noon, midnight
                yield Amount(*m.span(), (720.0,) if said.get("p") else (0.0, 1440.0), CLOCK, loose=True)
                continue
            number = _hour(hour, language)
            if number is None:
                continue
            minutes = 60 * number + (30 if said.get("half") else int(said.get("m") or 0))
            if number > 24 or minutes > 1440:
                continue
            afternoon, morning = bool(said.get("p")), bool(said.get("a"))
            if number < 12 and afternoon:
                values: tuple[float, ...] = (minutes + HALF_DAY,)
            elif number == 12 and (afternoon or morning):
                values = (float(minutes if afternoon else minutes - HALF_DAY),)
            elif number <= 12 and not morning and language in ("en", "zh", "es"):
                values = (float(minutes), float((minutes + HALF_DAY) % 1440))
            else:
                values = (float(minutes),)
            yield Amount(*m.span(), values, CLOCK)


def _hour(words: str, language: str) -> int | None:
    if words.isdigit():
        return int(words)
    if language == "zh":
        return int(from_chinese(words))
    return next((int(value) for _, _, value in values_of_words(words, language)), None)


def calendar(text: str, language: str, patterns: Patterns) -> Iterator[Amount]:
    """Yield names of months (1 to 12, unit MONTH) and of days of the week (1 for Monday to 7, unit WEEKDAY)."""
    if language == "zh":
        for m in _MONTH_ZH.finditer(text):
            yield Amount(*m.span(), (from_chinese(m["n"]),), MONTH)
    if patterns.months is not None:
        names = amounts_file().months[language]
        text_of_names = (
            re.compile(rf"\b(?:{'|'.join(n.capitalize() for n in names)})\b") if language == "en" else patterns.months
        )
        for m in text_of_names.finditer(text):
            sure = (
                language != "en"
                or m[0] not in ("May", "March")
                or re.search(r"\d", text[max(0, m.start() - 5) : m.end() + 5])
                or re.search(
                    r"\b(?:mid|early|late|in|by|until|till|since|from|of|end of|before|after)[- ]$", text[: m.start()]
                )
            )
            if sure:
                yield Amount(*m.span(), (1.0 + names.index(m[0].lower()),), MONTH)
        for m in _SHORT_MONTHS.finditer(text) if language == "en" else ():
            yield Amount(*m.span(), (1.0 + _SHORT.index((m["n"] or m["m"])[:3].lower()),), MONTH)
    for number, pattern in enumerate(patterns.weekdays, 1):
        for m in pattern.finditer(text):
            yield Amount(*m.span(), (float(number),), WEEKDAY)
