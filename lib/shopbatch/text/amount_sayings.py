"""Numbers in idiomatic expressions of each language (amounts.yaml, `sayings`), for `amounts.py`.

These are decades ("the 80s"), bundles ("two for the price of one"), half units, fortnights, shopping festivals with
numbers in their names (双十一), and feet and inches.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from shopbatch.text.amount_patterns import SIZE, Amount, Patterns, unit_behind
from shopbatch.text.amount_words import WORD_VALUES, amounts_file, values_of_words
from shopbatch.text.numerals import from_chinese

BUNDLE, DECADE = "bundle", "decade"
_FEET = re.compile(
    r"(?<![\w.,])(?P<feet>[3-8])\s?(?:['′’]|ft\.?|feet|foot|pies|fuß|pieds|英尺)\s?(?P<inches>\d{1,2})"
    r"(?:\s?(?:[\"″”]|''|in\b|inches|inch|pulgadas|zoll|pouces|英寸)|(?=[\s,.)]|$))",
    re.I,
)

# 一米六: 1.6 m; 三块五: 3.5 yuan
_SPOKEN = re.compile(
    r"(?P<n>[一二两三四五六七八九十\d]{1,3})(?P<u>[米块])(?P<d>[零〇一二三四五六七八九\d]{1,2})(?![\d.个件条张块双只套款米厘毫天年月日层片十百千])"
)
_SIZES = re.compile(r"size|talla|n[úu]mero|größe|nummer|taille|pointure|码", re.I)
_CODED = re.compile(r"(?<![A-Za-z])(?:SPF|FPS|LSF|UPF|IP|UV)(?P<n>\d+)")  # e.g. SPF 50; the letters differ by language


@lru_cache(maxsize=64)
def _pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.I)


def _value(words: str, language: str) -> float | None:
    """Return the value of a number in figures or in one word; None if it cannot be read."""
    if words.isdigit():
        return float(words)
    if language == "zh":
        return from_chinese(words)
    bare = words.lower().removesuffix("er") if language == "de" else words.lower()
    if language in WORD_VALUES:
        if bare in amounts_file().numbers[language].one:
            return 1.0
        return next((value for _, _, value in values_of_words(bare, language)), None)
    return None


def sayings(text: str, language: str, patterns: Patterns) -> Iterator[Amount]:
    """Yield the numbers in idiomatic expressions; `amounts` lets them take precedence over all other numbers.

    Args:
        text: The text.
        language: One of LANGUAGES.
        patterns: The patterns of the language.
    """
    said = amounts_file().sayings[language]
    for m in _FEET.finditer(text):
        yield Amount(*m.span(), (12 * float(m["feet"]) + float(m["inches"]),), "inch")
    for m in _CODED.finditer(text):
        yield Amount(*m.span("n"), (float(m["n"]),), loose=True)
    for m in _SPOKEN.finditer(text) if language == "zh" else ():
        whole, behind = (_value(m[part], language) for part in ("n", "d"))
        digits = "".join(str(int(_value(c, language) or 0)) for c in m["d"])
        if whole is not None and behind is not None:
            yield Amount(*m.span(), (float(f"{int(whole)}.{digits}"),), "meter" if m["u"] == "米" else "cny")
    for pattern in said.decade:
        for m in _pattern(pattern).finditer(text):
            if value := _value(m["n"], language):
                yield Amount(*m.span(), (value % 100, 1900 + value % 100, 2000 + value % 100), DECADE)
    for pattern in said.bundle:
        for m in _pattern(pattern).finditer(text):
            # 6 x 1 L is a multipack
            if not unit_behind(text, m.end(), patterns)[0] and (bundle := _bundle(m, language)) is not None:
                yield Amount(*m.span(), bundle, BUNDLE)
    for pattern, values in (*said.days.items(),):
        for m in _pattern(pattern).finditer(text):
            yield Amount(*m.span(), values, "day")
    for pattern, values in (*said.feasts.items(),):
        for m in _pattern(pattern).finditer(text):
            yield Amount(*m.span(), values, loose=True)
    for pattern in said.half:
        for m in _pattern(pattern).finditer(text):
            if _SIZES.match(m["u"]):
                yield Amount(*m.span(), (0.5,), f"{SIZE}half")
                continue
            unit, stop = unit_behind(text, m.start("u"), patterns)
            named = {"stünd": "hour", "jähri": "year", "jahr": "year"}.get(m["u"].lower()[:5])
            if named or (unit and stop >= m.end("u")):
                yield Amount(m.start(), m.end(), (0.5,), named or unit, loose=True)


def _bundle(m: re.Match[str], language: str) -> tuple[float, ...] | None:
    """Return a bundle as one number, 100 * pieces received + pieces paid; None if it is no bundle.

    "Two for the price of one" and "buy one, get one free" are both (201.0,), so that bundles can be compared across
    languages.
    """
    parts = m.groupdict()
    if parts.get("part"):
        return (201.5,)
    names = ("get", "pay") if parts.get("get") else ("buy", "free")
    first, second = (_value(parts[name] or "", language) for name in names)
    if not first or not second:
        return None
    if names[0] == "buy":
        first, second = first + second, first
    return (100 * first + second,) if first > second else None
