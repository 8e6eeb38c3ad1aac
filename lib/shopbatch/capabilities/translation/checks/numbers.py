"""Checks whether a text and its translation state the same numbers with the same units, for `check.check`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from shopbatch.text.amount_patterns import AGE, CLOCK, MONEY, MONTH, SIZE, WEEKDAY, Amount, sizes_of
from shopbatch.text.amounts import BUNDLE, DECADE, amounts

VERSION = 2
# Dimensions whose units may be neither dropped nor added. Counts need no unit, and a word such as point is ambiguous.
_FIRM = frozenset({
    "mass", "volume", "length", "area", "time", "workdays", "share", "power", "charge", "memory", "usd", "eur", "gbp",
    "cny", "cents", "celsius", "fahrenheit", "megabytes", "frequency",
})  # fmt: skip
# conversions between these units must be exact
_METRIC = frozenset({
    "millimeter", "centimeter", "meter", "kilometer", "milligram", "gram", "kilogram", "jin", "liang", "milliliter",
    "centiliter", "liter",
})  # fmt: skip
_TINY = 1e-6
_TOLERANCE = 0.03  # greatest relative difference of an amount converted to another unit
_ROUGH = 0.07  # the same for small kitchen measures, which are rounded: 2 oz -> 60 g
_ROUGH_UNITS = frozenset({"ounce", "fluid_ounce", "pint", "quart"})
_OLDEST = 21  # a number up to this may be an age in years, whose unit a text may leave out
# a percentage that is a discount, not the share to pay
_OFF = re.compile(
    r"%\s?(?:off\b|discount|reduction|de (?:descuento|réduction|remise|rabais)|(?:\w+ )?rabatt|nachlass|menos|dto"
    r"|reduziert|sparen|günstiger)|(?<!\w)[-–−]\s?\d+\s?%"
    r"|\b(?:save|saving|discount of|ahorra\w*|descuentos? del?|rebajas? del?|spar\w*(?: sie)?|rabatt von|économisez"
    r"|réduction de|remise de)(?: \w+){0,3} \d+\s?%",
    re.I,
)
# order and article numbers, and numbers mixed with letters: 8K@60Hz
_LONG = re.compile(r"\d{5,}|(?=[A-Za-z0-9@°./+-]*\d)(?=[A-Za-z0-9@°./+-]*[A-Za-z°])[A-Za-z0-9@°./+-]+")


def number_faults(one: str, other: str, languages: tuple[str, str]) -> list[tuple[str, str]]:
    """Return (kind, words) of each number in the text or the translation without a counterpart in the other.

    The kind is "number" if the value is missing, and "unit" if only the unit differs. Converted units are accepted
    ("2 oz" -> "57 g").

    Args:
        one: The text.
        other: Its translation.
        languages: ISO 639-1 codes of text and translation, both in `amounts.LANGUAGES`.
    """
    shared = set(_LONG.findall(one)) & set(_LONG.findall(other))
    one, other = (_LONG.sub(lambda m: "#" * len(m[0]) if m[0] in shared else m[0], text) for text in (one, other))
    a, b = _bundles(amounts(one, languages[0]), amounts(other, languages[1]))
    a, b = _discounts(a, other, languages[0]), _discounts(b, one, languages[1])
    return [*_without(a, b, one, "text"), *_without(b, a, other, "translation")]


def _bundles(a: Sequence[Amount], b: Sequence[Amount]) -> tuple[Sequence[Amount], Sequence[Amount]]:
    """Make bundle offers ("3 for 2") optional where only one of the two texts expresses the offer as a bundle.

    The offer and its numbers then get `loose=True`, so that they need no counterpart.
    """
    kinds = [{x.unit for x in listed} & {BUNDLE} for listed in (a, b)]
    if kinds[0] == kinds[1]:
        return a, b
    small = [v for x in (*a, *b) if x.unit == BUNDLE for v in (x.values[0] // 100, x.values[0] % 100)]
    few = {*small, *(abs(x - y) for x, y in zip(small[::2], small[1::2], strict=True)), 0.5, 50.0, 1.0, 2.0}

    def loosened(listed: Sequence[Amount]) -> list[Amount]:
        return [
            replace(x, loose=True) if x.unit == BUNDLE or (x.unit in ("", "percent") and few & {*x.values}) else x
            for x in listed
        ]

    return loosened(a), loosened(b)


def _discounts(listed: Sequence[Amount], other: str, language: str) -> Sequence[Amount]:
    """Read a Chinese discount such as 八折 as "20 % off" if the other text also states a percentage off.

    Without such a percentage, `Amount.values` keeps both possible values: 20 (% off) and 80 (% to pay).

    Args:
        listed: Numbers of one text.
        other: The other text.
        language: ISO 639-1 code of the text with the numbers; only "zh" is changed.

    Returns:
        The numbers, in their order.
    """
    if language != "zh" or not _OFF.search(other):
        return listed
    return [replace(x, values=x.values[:1]) if x.unit == "percent" and len(x.values) == 2 else x for x in listed]


def _without(a: Sequence[Amount], b: Sequence[Amount], text: str, where: str) -> list[tuple[str, str]]:
    """Return (kind, words) of the numbers in `a` that have no counterpart in `b`; the kind is "number" or "unit".

    Args:
        a: Numbers of one text.
        b: Numbers of the other text.
        text: The text that `a` is from.
        where: "text" or "translation", for the message.
    """
    faults = []
    for amount in a:
        if amount.loose or (where == "translation" and _is_two_in_words(amount, text)):
            continue
        words = f"{text[amount.start : amount.end]} in the {where}"
        equal = [other for other in b if _equal(amount, other)]
        if any(_same_unit(amount, other) for other in equal):
            continue
        if amount.unit.startswith(SIZE) and any(
            x is not amount and x.unit.startswith(SIZE) and any(_equal(x, y) and _same_unit(x, y) for y in b) for x in a
        ):
            continue  # an additional statement of the same size: UK 12 (EU 40)
        faults.append(("unit" if equal else "number", words))
    return faults


def _is_two_in_words(amount: Amount, text: str) -> bool:
    """Return True if an amount is "two" in words without a unit.

    A translation may add it ("between sizes" -> "entre deux tailles").
    """
    return amount.values == (2.0,) and not amount.unit and not re.search(r"\d", text[amount.start : amount.end])


def _equal(a: Amount, b: Amount) -> bool:
    """Return True if two amounts can have the same value, whatever their units."""
    if _converted(a, b):
        return True
    if DECADE in (a.unit, b.unit) or BUNDLE in (a.unit, b.unit):
        return {a.unit, b.unit} <= {DECADE, BUNDLE, ""} and bool({*a.values} & {*b.values})
    if {a.unit, b.unit} & {CLOCK, WEEKDAY} and a.unit != b.unit:
        hour, other = (a, b) if a.unit == CLOCK else (b, a)  # 1 h 30 may be a time of day or 90 minutes
        factor = 1 if other.unit == "minute" else 60
        return hour.unit == CLOCK and any(abs(x / factor - y) < _TINY for x in hour.values for y in other.values)
    return any(abs(x - y) <= _TINY * max(1, abs(x)) for x in a.values for y in b.values)


def _same_unit(a: Amount, b: Amount) -> bool:
    """Return True if the units of two amounts of equal value agree, or if one of the texts may leave the unit out."""
    if a.unit == b.unit or a.loose or b.loose or _converted(a, b):
        return True
    names = {a.unit, b.unit}
    if MONEY in names or names == {"cny", ""}:
        return names <= {MONEY, "", "cny"}
    if names == {"degree", "percent"}:  # Chinese states alcohol in degrees: 52度 is 52 %
        return True
    if "livre" in names:
        return bool(names & {"pound", ""})
    if names == {"year", ""} and min((*a.values, *b.values)) <= _OLDEST:
        return True
    if any(name.startswith(SIZE) for name in names) or names & {DECADE, BUNDLE}:
        return "" in names
    if AGE in names:
        return bool(names & {"", "year"})
    if names & {MONTH, CLOCK, WEEKDAY}:
        return "" in names or names == {MONTH, ""} or (CLOCK in names and bool(names & {"hour", "minute", ""}))
    dimensions = [{d for d, _ in sizes_of(x.unit)} for x in (a, b)]
    if all(dimensions):
        return False
    return not any(d & _FIRM for d in dimensions)


def _converted(a: Amount, b: Amount) -> bool:
    """Return True if two amounts are one amount in two units ("1 kg", "1000 g").

    Metric units and times must be exactly equal; other measures may differ by 3 %, small kitchen measures by 7 %.
    """
    if not a.unit or not b.unit or a.unit == b.unit:
        return False
    if {a.unit, b.unit} == {"degree", "fahrenheit"}:
        cold, hot = (a, b) if a.unit == "degree" else (b, a)
        return any(abs(x * 1.8 + 32 - y) <= 1.5 for x in cold.values for y in hot.values)
    for dimension, factor in sizes_of(a.unit):
        for other, known in sizes_of(b.unit):
            if dimension != other:
                continue
            room = _ROUGH if {a.unit, b.unit} & _ROUGH_UNITS else _TOLERANCE
            room = _TINY if dimension == "time" or {a.unit, b.unit} <= _METRIC else room
            if any(abs(x * factor - y * known) <= room * abs(x * factor) for x in a.values for y in b.values):
                return True
    return False
