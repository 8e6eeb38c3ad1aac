"""The units of sizes (units.yaml): their names in texts, their labels in catalogues, and their written-out forms."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from pydantic import Field

from shopbatch.text.word_files import WordFile, read_words

Factors = tuple[tuple[str, float], ...]
"""The dimensions of a unit, each with its factor to the base unit. An ounce has two: mass and volume."""


class Unit(WordFile):
    """One unit of measure of units.yaml: its names, labels and factors to the base units.

    The head of that file explains the fields.
    """

    factors: dict[str, float] = Field(default={})
    english: tuple[str, ...] = ()
    chinese: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    short: str = ""
    long: tuple[str, str] = ("", "")
    also: tuple[str, ...] = ()


class _UnitsFile(WordFile):
    units: dict[str, Unit]
    chinese_counters: tuple[str, ...]
    bare_english: tuple[str, ...]
    whole_sizes: dict[str, str]


@dataclass(frozen=True)
class Units:
    """All units of units.yaml, indexed for look-ups and as parts of regular expressions.

    Attributes:
        english: Regular expression of all English names.
        chinese: Regular expression of all Chinese names.
        chinese_counters: Regular expression of Chinese measure words.
        bare_english: Regular expression of units that state an amount of one without a number ("a pint").
        factors: Name of a unit, in small letters without spaces -> its (dimension, factor to the base unit) pairs.
        by_label: Label of a unit in a catalogue, in capitals -> the unit.
        whole_sizes: Label of a package size that is no amount -> its written-out form.
    """

    english: str
    chinese: str
    chinese_counters: str
    bare_english: str
    factors: Mapping[str, Factors]
    by_label: Mapping[str, Unit]
    whole_sizes: Mapping[str, str]


@lru_cache(maxsize=1)
def units() -> Units:
    """Return the units of units.yaml, read once per process."""
    words = read_words(_UnitsFile, "shopbatch.text", "units.yaml")
    every = words.units.values()
    english = _longest_first(name for unit in every for name in unit.english)
    chinese = _longest_first(name for unit in every for name in unit.chinese)
    return Units(
        # the words of a name may be joined by a space, a hyphen or nothing, and each may end in a full stop
        english="|".join(rf"{re.escape(name)}\.?".replace(r"\ ", r"\.?[\s-]?") for name in english),
        chinese="|".join(map(re.escape, chinese)),
        chinese_counters="|".join(words.chinese_counters),
        bare_english="|".join(words.bare_english),
        factors={
            name.lower().replace(" ", ""): tuple(unit.factors.items())
            for unit in every
            for name in (*unit.english, *unit.chinese)
        },
        by_label={label: unit for unit in every for label in unit.labels},
        whole_sizes=words.whole_sizes,
    )


def _longest_first(names: Iterable[str]) -> list[str]:
    return sorted(sorted(set(names)), key=len, reverse=True)
