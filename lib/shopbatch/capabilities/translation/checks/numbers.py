"""Whether two texts of different languages state the same numbers, with the same units."""

from __future__ import annotations

import re
from collections.abc import Sequence

from shopbatch.text.amount_patterns import AGE, CLOCK, MONTH, WEEKDAY, Amount, sizes_of
from shopbatch.text.amounts import amounts

# Units that may not go missing or come new. Behind a count there is no unit, and a point may be one of many things.
_FIRM = frozenset({
    "mass", "volume", "length", "area", "time", "workdays", "share", "power", "charge", "memory", "usd", "eur", "gbp",
    "cny", "cents", "celsius", "fahrenheit", "megabytes", "frequency",
})  # fmt: skip
_TINY = 1e-6
_TOLERANCE = 0.02  # relative difference of a size that is restated in another unit
# the number of an order or an article, and what is no number alone: 8K@60Hz
_LONG = re.compile(r"\d{5,}|(?=[A-Za-z0-9@°./+-]*\d)(?=[A-Za-z0-9@°./+-]*[A-Za-z°])[A-Za-z0-9@°./+-]+")


def number_faults(one: str, other: str, languages: tuple[str, str]) -> list[tuple[str, str]]:
    """Return (kind, words) of each number that has no counterpart; kind is number or unit.

    Args:
        one: The text.
        other: Its translation.
        languages: Their languages.
    """
    shared = set(_LONG.findall(one)) & set(_LONG.findall(other))
    one, other = (_LONG.sub(lambda m: "#" * len(m[0]) if m[0] in shared else m[0], text) for text in (one, other))
    a, b = amounts(one, languages[0]), amounts(other, languages[1])
    return [*_without(a, b, one, "text"), *_without(b, a, other, "translation")]


def _without(a: Sequence[Amount], b: Sequence[Amount], text: str, where: str) -> list[tuple[str, str]]:
    faults = []
    for amount in a:
        if amount.loose:
            continue
        words = f"{text[amount.start : amount.end]} in the {where}"
        equal = [other for other in b if _equal(amount, other)]
        if any(_same_unit(amount, other) for other in equal):
            continue
        faults.append(("unit" if equal else "number", words))
    return faults


def _equal(a: Amount, b: Amount) -> bool:
    """Whether two amounts may be worth the same, whatever their units."""
    if _converted(a, b):
        return True
    if {a.unit, b.unit} & {CLOCK, WEEKDAY} and a.unit != b.unit:
        return (a.unit == CLOCK and any(abs(x / 60 - y) < _TINY for x in a.values for y in b.values)) or (
            b.unit == CLOCK and any(abs(y / 60 - x) < _TINY for x in a.values for y in b.values)
        )
    return any(abs(x - y) <= _TINY * max(1, abs(x)) for x in a.values for y in b.values)


def _same_unit(a: Amount, b: Amount) -> bool:
    if a.unit == b.unit or a.loose or b.loose or _converted(a, b):
        return True
    names = {a.unit, b.unit}
    if AGE in names:
        return bool(names & {"", "year"})
    if names & {MONTH, CLOCK, WEEKDAY}:
        return "" in names or names == {MONTH, ""} or (CLOCK in names and bool(names & {"hour", ""}))
    dimensions = [{d for d, _ in sizes_of(x.unit)} for x in (a, b)]
    if all(dimensions):
        return False
    return not any(d & _FIRM for d in dimensions)


def _converted(a: Amount, b: Amount) -> bool:
    """Whether two amounts are the same in two units: exactly, or for measures within _TOLERANCE."""
    if not a.unit or not b.unit or a.unit == b.unit:
        return False
    for dimension, factor in sizes_of(a.unit):
        for other, known in sizes_of(b.unit):
            if dimension != other:
                continue
            room = _TINY if dimension == "time" else _TOLERANCE
            if any(abs(x * factor - y * known) <= room * abs(x * factor) for x in a.values for y in b.values):
                return True
    return False
