"""Regular expressions of numbers and units in five languages for `amounts.py`, and the class of a parsed number."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from shopbatch.text.amount_words import amounts_file
from shopbatch.text.units import units

LANGUAGES = ("en", "zh", "es", "de", "fr")
CLOCK, MONTH, WEEKDAY, AGE = "clock", "month_name", "weekday", "age"
MONEY, SIZE = "money", "size_"  # MONEY: unknown currency; SIZE: prefix of clothing size systems such as size_eu
COMMA = frozenset({"es", "de", "fr"})  # languages with a decimal comma
_FIGURES = (
    r"(?<![\w.,/@])(?<![A-Z]-)(?P<n>\d{1,3}(?:[.,'’ ]\d{3})+(?:[.,]\d{1,2})?(?!\d)|\d+(?:[.,]\d+)?|[.,]\d+)(?:er-)?"
    r"(?P<frac>\s?[½¼¾⅓⅔]|(?:[\s-]\d)?/\d+(?![\d/]))?|(?P<sign>[½¼¾⅓⅔])"
)
_NO_SCALE = r"(?<!千(?=[克瓦米卡焦赫伏帕]))"  # but not a 千 that is part of a unit
_FIGURES_ZH = (
    r"(?<![A-Za-z\d.,/@_])(?<![A-Z]-)(?P<n>\d{1,3}(?:,\d{3})+(?:\.\d+)?(?!\d)|\d+(?:\.\d+)?)"
    r"(?P<frac>/\d+(?![\d/]))?(?P<sign>(?!))?"
)


@dataclass(frozen=True)
class Amount:
    """A number in a text, with its possible values and its unit.

    Attributes:
        start: Start of the number in the text, in characters.
        end: End of the number with its unit (exclusive).
        values: The possible values: several where the figures are ambiguous ("1.234 kg" in German or "5 o'clock").
        unit: Name of its unit, such as "kilogram"; "" if none is known.
        loose: True if a translation may leave the number out or express it without a number.
    """

    start: int
    end: int
    values: tuple[float, ...]
    unit: str = ""
    loose: bool = False


@dataclass(frozen=True)
class Patterns:
    """The compiled patterns of one language; each field says what its pattern matches.

    Attributes:
        figures: A number in figures.
        scale: A word that multiplies the number before it (thousand, 万).
        unit: A unit behind a number.
        names: Name of the unit of each group u0, u1, ... of `unit`.
        before: A sign such as "$" before a number.
        idioms: Phrases with number words that state no number.
        clock: Times of day.
        months: Names of months; None for Chinese.
        weekdays: Names of the days of the week, Monday first.
        loose: Number words that a translation may express otherwise.
    """

    figures: re.Pattern[str]
    scale: re.Pattern[str]
    unit: re.Pattern[str]
    names: tuple[str, ...]
    before: re.Pattern[str]
    idioms: re.Pattern[str]
    clock: tuple[re.Pattern[str], ...]
    months: re.Pattern[str] | None
    weekdays: tuple[re.Pattern[str], ...]
    loose: re.Pattern[str]


@lru_cache(maxsize=len(LANGUAGES))
def patterns_of(language: str) -> Patterns:
    """Return the compiled patterns of a language, one of LANGUAGES."""
    words, chinese = amounts_file(), language == "zh"
    named = _named_units(language)
    scales = "|".join(map(re.escape, sorted(words.scales[language], key=len, reverse=True)))
    signs = "|".join(map(re.escape, sorted(words.signs, key=len, reverse=True)))
    behind = "" if chinese else r"(?![^\W\d_])"
    gap = r"\s?(?:多|来|余)?" if chinese else r"(?:\s|-|\s?-\s?)?"
    unit = "|".join(f"(?P<u{i}>{pattern})" for i, (_, pattern) in enumerate(named))
    months = words.months.get(language)
    loose = "|".join(map(re.escape, sorted(words.numbers[language].loose, key=len, reverse=True)))
    return Patterns(
        figures=re.compile(_FIGURES_ZH if chinese else _FIGURES),
        scale=re.compile(
            rf"\s?(?P<s>{scales}){_NO_SCALE}" if chinese else rf"(?:(?:\s|-)?(?P<s>(?!k\b)(?:{scales}))|(?P<k>k))\b",
            re.I,
        ),
        unit=re.compile(rf"{gap}(?:(?P<sign>{signs})(?![A-Za-z])|(?:{unit}){behind})", 0 if chinese else re.I),
        names=tuple(name for name, _ in named),
        before=re.compile(rf"(?P<sign>{signs})\s?$"),
        idioms=re.compile("|".join(words.idioms[language]), re.I),
        clock=tuple(re.compile(p, re.I) for p in words.clock[language]),
        months=re.compile(rf"\b(?:{'|'.join(months)})\b", 0 if language == "en" else re.I) if months else None,
        weekdays=tuple(
            re.compile(
                rf"(?<![一二两三四五六七八九十\d]){p}(?![到至或~-]?[一二两三四五六七\d]?[次个月年回度])"
                if chinese
                else rf"\b{p}\b",
                re.I,
            )
            for p in words.weekdays[language]
        ),
        loose=re.compile(loose if chinese else rf"\b(?:{loose})\b", re.I),
    )


def _named_units(language: str) -> list[tuple[str, str]]:
    """Return (name of a unit, pattern that matches it in a text) pairs of a language, the longest patterns first."""
    words, shared = amounts_file(), units()
    own: dict[str, list[str]] = {}
    by_factor = {factors: name for name, factors in _unit_factors().items()}
    for name, factors in shared.factors.items():
        key = by_factor.get(factors)
        if key is None or name in ('"', "″"):
            continue
        chinese = any("\u4e00" <= c <= "\u9fff" for c in name)
        symbol = (name.isascii() and len(name) <= 3) or name in ("%", "m²", "ft²")
        if chinese if language == "zh" else (language == "en" and not chinese) or symbol:
            own.setdefault(key, []).append(re.escape(name))
    for name, unit in words.units.items():
        own.setdefault(name, []).extend(getattr(unit, language))
    if language == "zh":
        own["pound"] = [*own.get("pound", []), "磅"]
        own.setdefault("percent", []).append("%")
        own["percent"] = [p for p in own["percent"] if p != "成"]  # read as tenths
    else:
        own.setdefault("inch", []).extend(['(?<=\\d)"', "″"])
    flat = [(name, pattern) for name, patterns in own.items() for pattern in patterns]
    flat.sort(key=lambda pair: len(pair[1]), reverse=True)
    return flat


@lru_cache(maxsize=1)
def _unit_factors() -> dict[str, tuple[tuple[str, float], ...]]:
    """Return the (dimension, factor to the base unit) pairs of each unit of amounts.yaml, by its name ("liter", ...).

    Most of them come from units.yaml.
    """
    wanted = amounts_file().units
    shared = units().factors
    keys = {
        "milliliter": "ml", "centiliter": "cl", "liter": "liter", "gallon": "gallon", "quart": "quart", "pint": "pint",
        "fluid_ounce": "floz", "ounce": "oz", "pound": "lb", "kilogram": "kg", "gram": "g", "milligram": "mg",
        "jin": "斤", "square_foot": "squarefoot", "square_meter": "squaremeter", "inch": "inch", "foot": "foot",
        "yard": "yard", "millimeter": "mm", "centimeter": "cm", "meter": "meter", "kilometer": "km", "mile": "mile",
        "minute": "minute", "hour": "hour", "day": "day", "week": "week", "month": "month", "year": "year",
        "watt": "watt", "kilowatt": "kilowatt", "volt": "volt", "milliamp_hour": "mah", "gigabyte": "gb",
        "terabyte": "tb", "percent": "%",
    }  # fmt: skip
    named = {name: shared[key] for name, key in keys.items()}
    return named | {name: ((u.kind, u.factor),) for name, u in wanted.items() if u.kind}


def sizes_of(unit: str) -> tuple[tuple[str, float], ...]:
    """Return (dimension, factor to the base unit) pairs of a unit ("kilogram" -> (("mass", 1000.0),)).

    It is () for unknown units, and for those without a factor, such as clock times, months and days of the week.
    """
    return _unit_factors().get(unit, ())


def unit_behind(text: str, end: int, patterns: Patterns) -> tuple[str, int]:
    """Return the name of the unit that begins at position `end`, and where it ends; ("", end) if there is none."""
    m = patterns.unit.match(text, end)
    if not m:
        return "", end
    if m["sign"]:
        return amounts_file().signs[m["sign"]], m.end()
    number = next(int(name[1:]) for name, value in m.groupdict().items() if value is not None and name[0] == "u")
    name = patterns.names[number]
    # "24 in the pack", "3 a box", "5 l'unité"
    if re.fullmatch(r"[\s-]*(?:in|s|h|m|l|g|w|v|d|to|po|j|ga|lt|ins)", m[0], re.I):
        after = text[m.end() : m.end() + 2]
        is_in = bool(re.fullmatch(r"[\s-]+in", m[0], re.I))
        if (is_in and re.match(r"\s[a-zà-ÿ]|-[\da-z]", after)) or after.startswith(("'", "’")):
            return "", end
    return name, m.end()
