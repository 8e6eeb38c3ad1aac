"""Parses numbers and sizes in English and Chinese texts, in figures and in words, with their positions and values."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import gcd

from shopbatch.text.letters import LATIN
from shopbatch.text.numerals import english_values, from_chinese, from_english, from_figures, numerals
from shopbatch.text.units import units

# full-width forms, dashes and spaces -> ASCII; Chinese punctuation is not folded
_FOLDED: dict[int, int] = {0xFF01 + i: 0x21 + i for i in range(94) if chr(0xFF01 + i) not in "，：；！？（）"}
_FOLDED |= dict.fromkeys((*range(0x2010, 0x2016), 0x2212, 0xFE63), ord("-"))
_FOLDED |= dict.fromkeys((0xA0, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000), ord(" "))
# 6/3.5 is no fraction: the 3.5 is a size
_FIGURES = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:\s?[½¼¾⅓⅔]|(?:[\s-]\d+)?/\d+(?![\d/]|\.\d))?|\.\d+|[½¼¾⅓⅔]"
_PAIR = re.compile(
    r"\ba pair of (?!jeans|trousers|pants|shorts|socks|shoes|boots|gloves|scissors|glasses|leggings|hands)"
)
_LIST_NUMBER = re.compile(r"\s*\d{1,2}[.)](?:\s|$)")
_NUMBER_ZH = (
    r"(?:\d+(?:,\d{3})*(?:\.\d+)?|\.\d+)[万千百]?"
    r"|[零〇一二两三四五六七八九十百千万亿]{1,16}(?:点[零〇一二三四五六七八九]{1,9})?|半"
)
_MONEY_ZH = re.compile(
    rf"({_NUMBER_ZH})(?:元|块|美元|欧元|英镑)([一二三四五六七八九])?(?:毛|角)?([一二三四五六七八九])?"
)
_PERCENT_ZH = re.compile(r"百分之(\d+(?:\.\d+)?|[零〇一二两三四五六七八九十百]{1,8})")
_FIGURES_ZH = re.compile(r"(?<![\d.A-Za-z-])(?:\d+(?:,\d{3})*(?:\.\d+)?|\.\d+)")


@dataclass(frozen=True)
class Quantity:
    """A number or a size in a text.

    Attributes:
        start: Start in the text, in characters.
        end: End in the text (exclusive).
        number: The number as the text states it; dozens are multiplied out (2 dozen is 24).
        sizes: (dimension, value in the base unit: g, ml, mm, mm2, s, ...). Empty for a number without a unit or a
            count; ounces have two, because they may be weight or volume.
        one: True if the text states just "one".
    """

    start: int
    end: int
    number: float
    sizes: tuple[tuple[str, float], ...] = ()
    one: bool = False


@dataclass(frozen=True)
class _Patterns:
    english: re.Pattern[str]
    bare_english: re.Pattern[str]
    number_before: re.Pattern[str]  # an English number at the end of a text
    chinese: re.Pattern[str]


@lru_cache(maxsize=1)
def _patterns() -> _Patterns:
    names = units()
    words = [*english_values(), *numerals().english.scales]
    counted = "|".join(sorted(words, key=len, reverse=True))
    any_number = f"{counted}|half|quarters?|thirds?"
    in_words = (
        rf"(?:(?:a|half a)[\s-]+(?=(?:hundred|thousand|million|dozen)\b))?(?:{counted}|half|(?:a\s+)?quarter|a\s+third)"
        rf"(?:(?:[\s-]+|[\s-]+and[\s-]+(?:a[\s-]+)?)(?:{any_number})\b)*(?:[\s-]+point(?:[\s-]+(?:{counted}))+)?"
    )
    # a unit may follow directly, after a hyphen, or after "of a"
    english = (
        rf"(?<![{LATIN}\d_.])(?:(?P<figures>{_FIGURES})|(?P<words>\b(?:{in_words})\b))"
        rf"(?:(?P<gap>[\s-]*(?:(?:of\s+)?(?:an?|the)\s+)?(?:whole\s+|full\s+)?)(?P<unit>{names.english})(?![{LATIN}²])"
        r"(?P<more>\s+and\s+a\s+(?:half|quarter)\b)?)?"
    )
    bare_english = (
        r"\b(?:an?|per|full|whole)[\s-]+(?:full[\s-]+|whole[\s-]+|generous\s+|single\s+)?"
        rf"(?P<unit>{names.bare_english})\b(?P<more>\s+and\s+a\s+(?:half|quarter)\b)?"
    )
    chinese = (
        rf"(?<![第每\d.])(?P<number>{_NUMBER_ZH})(?P<more>半)?\s*(?:多|来)?"
        rf"(?P<unit>{names.chinese}|{names.chinese_counters})(?P<tail>半)?"
    )
    return _Patterns(
        re.compile(english, re.I),
        re.compile(bare_english, re.I),
        re.compile(rf"(?:{any_number})\s+(?:of\s+)?$", re.I),
        re.compile(chinese),
    )


def fold_width(text: str) -> str:
    """Replace full-width signs, dashes and special spaces by ASCII ones; the length and all positions stay the same."""
    return text.translate(_FOLDED)


def quantities(text: str, language: str) -> list[Quantity]:
    """Return all quantities of a text in order, without overlaps ("2 x 500 g" -> 2 and 500 g).

    Args:
        text: The text as it is; full-width digits count as digits.
        language: "zh"; any other is read as English.
    """
    text = fold_width(text)
    if language == "zh":
        figures = (Quantity(m.start(), m.end(), from_figures(m.group())) for m in _FIGURES_ZH.finditer(text))
        latin = (q for q in _english(text) if q.sizes and text[q.start].isdigit())
        candidates = [*_chinese(text), *latin, *figures]
    else:
        candidates = list(_english(text))
    separate: list[Quantity] = []
    for quantity in sorted(candidates, key=lambda q: (q.start, -q.end)):  # of two that overlap, the longer one counts
        if not separate or quantity.start >= separate[-1].end:
            separate.append(quantity)
    return separate


def pack_of(figures: str) -> tuple[int, int] | None:
    """Return (pieces, size of each) of a pack: "12/16" before a unit means 12 pieces of 16 units each.

    It is None for a fraction such as "3/4" and for other texts.
    """
    match = re.fullmatch(r"(\d+)/(\d+)", figures)
    if not match:
        return None
    count, each = int(match[1]), int(match[2])
    fraction = count < each and each in (2, 3, 4, 8, 16) and gcd(count, each) == 1
    return None if fraction else (count, each)


def money(text: str) -> float:
    """Return the sum of money that a text states, in its main unit; NaN if there is none.

    Examples: "nine dollars and ninety-nine cents" and "$9.99" -> 9.99, 九块九 -> 9.9.
    """
    if match := _MONEY_ZH.search(text):
        parts = [match[1], match[2] or "零", match[3] or "零"]
        return round(sum(from_chinese(part) / (1, 10, 100)[place] for place, part in enumerate(parts)), 6)
    numbers = [q.number for q in _english(text)]
    if re.search(r"cents?|pence|¢", text):
        numbers[-1:] = [n / 100 for n in numbers[-1:]]
    return round(sum(numbers), 6) if numbers else float("nan")


def _english(text: str) -> Iterator[Quantity]:
    patterns = _patterns()
    for m in patterns.english.finditer(text):
        if not (m["figures"] and _LIST_NUMBER.match(text[text.rfind("\n", 0, m.start()) + 1 : m.end() + 2])):
            yield from _english_quantity(text, m)
    for m in patterns.bare_english.finditer(text):
        if not patterns.number_before.search(text[: m.start()]):
            yield _quantity(m.start(), m.end(), 1.0 + _more(m["more"]), m["unit"].lower())
    for m in _PAIR.finditer(text):
        yield Quantity(m.start(), m.end(), 2.0)


def _english_quantity(text: str, m: re.Match[str]) -> Iterator[Quantity]:
    """Yield the quantity of a match, or two for a pack ("12/16 oz" -> 12 and 16 oz)."""
    stated = m["figures"] or m["words"]
    number = from_figures(stated) if m["figures"] else from_english(stated)
    unit = (m["unit"] or "").lower()
    # "24 in the pack" is no length; "24in", "24-in" and "24 in." are
    if unit in ("in", "m", "l", "g", "a", "w", "v") and (m["words"] or m["gap"].strip(" ") not in ("", "-")):
        unit = ""
    if unit == '"' and m["gap"]:
        unit = ""
    if unit == "in" and m["gap"] == " " and re.match(r"\s+[a-z]", text[m.end("unit") :]):
        unit = ""
    if unit:
        number += _more(m["more"])
    end = m.end() if unit else m.end("figures" if m["figures"] else "words")
    if unit and (pack := pack_of(stated)):
        slash = m.start() + stated.index("/")
        yield Quantity(m.start(), slash, float(pack[0]))
        yield _quantity(slash + 1, end, float(pack[1]), unit)
    else:
        yield _quantity(m.start(), end, number, unit, stated.lower() == "one")


def _more(words: str | None) -> float:
    """Return the value that "and a half" or "and a quarter" behind a unit adds; 0 for None."""
    return 0.0 if not words else 0.25 if "quarter" in words else 0.5


def _chinese(text: str) -> Iterator[Quantity]:
    for m in _PERCENT_ZH.finditer(text):
        yield _quantity(m.start(), m.end(), from_chinese(m[1]), "%")
    for m in _patterns().chinese.finditer(text):
        number = from_chinese(m["number"]) + (0.5 if m["more"] or m["tail"] else 0)
        if m["unit"] in ("打", "打儿"):  # a dozen
            yield Quantity(m.start(), m.end(), number * 12)
        else:
            yield _quantity(m.start(), m.end(), number, m["unit"], m["number"] in ("一", "1"))


def _quantity(start: int, end: int, number: float, unit: str, one: bool = False) -> Quantity:
    factors = units().factors.get(re.sub(r"[\s.-]+", "", unit).lower(), ())
    if factors and factors[0][0] == "count":  # 2 dozen count as 24, a pack of 6 as 6
        return Quantity(start, end, number * factors[0][1], one=one)
    sizes = tuple((dimension, number * factor) for dimension, factor in factors)
    return Quantity(start, end, number, sizes, one and not sizes)
