"""Parses the numbers of texts in five languages, in figures and in words, to compare a translation with its original.

The languages are English, Chinese, Spanish, German and French; the word lists are in amounts.yaml. (`quantities.py`
covers English and Chinese only, but in more detail; it serves to tell whether one text backs another of the same
language.) A number that a translation may express without a number, such as "one", is `loose`: the comparison may match
it with a number of the other text, but does not report it if it is missing there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise

from shopbatch.text.amount_chinese import chinese_shares, chinese_words
from shopbatch.text.amount_patterns import (
    AGE,
    CLOCK,
    COMMA,
    LANGUAGES,
    MONEY,
    MONTH,
    SIZE,
    WEEKDAY,
    Amount,
    Patterns,
    patterns_of,
    sizes_of,
    unit_behind,
)
from shopbatch.text.amount_sayings import BUNDLE, DECADE, sayings
from shopbatch.text.amount_times import HALF_DAY, calendar, clock, dates
from shopbatch.text.amount_words import amounts_file, values_of_words
from shopbatch.text.numerals import numerals
from shopbatch.text.quantities import fold_width

VERSION = 3  # of the parser; checks that use it include it in their own version
_LASTS = {"jähr": "year", "monat": "month", "wöch": "week", "täg": "day", "stünd": "hour", "prozent": "percent"}
_LASTING = re.compile(rf"({'|'.join(_LASTS)})ig(?:e[rsnm]?)?$", re.I)  # fünfjährig
_AND_UP = re.compile(r"\s?(?:\+|(?:and|or|years) (?:up|over|older|above)\b)")
# price words after which Chinese omits the currency
_PRICE = re.compile(r"(?:满|减|直降|立省|立降|返现?|低至|到手价?|抵|仅需|再降|优惠价?|券后)\s?$")
_BODY = re.compile(r"(?:身高|胸围|腰围|臀围|肩宽|衣长|袖长|裤长|头围)\s?[:：]?(?:为|是)?\s?$")  # centimetres
_BODILY = 45  # least value of a body measure that must be in centimetres, not inches
_SYSTEM = re.compile(r"\b(EU|EUR|UK|US|USA|FR|DE|IT|JP|CN|EE\.? ?UU\.?|欧码|美码|英码)\s?$")
_SYSTEMS = {
    "eur": "eu",
    "usa": "us",
    "ee uu": "us",
    "ee.uu.": "us",
    "ee. uu.": "us",
    "eeuu": "us",
    "欧码": "eu",
    "美码": "us",
    "英码": "uk",
}
_AND_A_HALF = re.compile(r"\s(?:and a half|y medi[oa]|und eine?n? halbe?n?s?|et demie?)\b", re.I)
_A_UNIT_AND_A_HALF = re.compile(
    r"\b(?:an?|un|une|una|eine?n?|(?=(?:mes|\w*[^\Ws]) y medi)) ?(?P<u>\w+) (?:and a half|y medi[oa]|et demie?)\b", re.I
)


@lru_cache(maxsize=4_096)
def amounts(text: str, language: str) -> tuple[Amount, ...]:
    """Return the numbers of a text with their units, in order and without overlaps.

    Args:
        text: The text.
        language: One of LANGUAGES.
    """
    folded = fold_width(text)
    patterns = patterns_of(language)
    folded = re.sub(r"(?<=\d)x(?=\d)", "×", folded)
    folded = patterns.idioms.sub(lambda m: " " * len(m[0]), folded)
    taken = [False] * len(folded)
    out: list[Amount] = []
    for amount in _candidates(folded, language, patterns):
        if amount.end > amount.start and not any(taken[amount.start : amount.end]):
            taken[amount.start : amount.end] = [True] * (amount.end - amount.start)
            out.append(amount)
    out.sort(key=lambda a: a.start)
    return tuple(_with_shared_units(out, folded))


def _candidates(text: str, language: str, patterns: Patterns) -> Iterator[Amount]:
    """Yield all numbers that a text may state, which may overlap; those yielded earlier take precedence."""
    yield from sayings(text, language, patterns)
    yield from dates(text, language)
    yield from clock(text, language, patterns)
    if language == "zh":
        yield from chinese_shares(text)
    yield from calendar(text, language, patterns)
    yield from _figures(text, language, patterns)
    yield from chinese_words(text, patterns) if language == "zh" else _words(text, language, patterns)
    for m in patterns.loose.finditer(text):
        values = amounts_file().numbers[language].loose[m[0].lower()]
        unit = "" if language == "zh" else unit_behind(text, m.end(), patterns)[0]
        yield Amount(*m.span(), values if isinstance(values, tuple) else (values,), unit, loose=True)


def _figures(text: str, language: str, patterns: Patterns) -> Iterator[Amount]:
    """Yield the numbers in figures with their scales and units; numbers in codes (3M, A4) are left out."""
    for m in patterns.figures.finditer(text):
        values = _readings(m, language)
        end, scaled = m.end(), patterns.scale.match(text, m.end())
        if scaled:
            factor = amounts_file().scales[language].get(scaled[0].strip(" -").lower(), 1000.0)
            values, end = tuple(round(v * factor, 6) for v in values), scaled.end()
        unit, stop = unit_behind(text, end, patterns)
        if half := _AND_A_HALF.match(text, stop):
            values, stop = tuple(v + 0.5 for v in values), half.end()
            unit, stop = (unit, stop) if unit else unit_behind(text, stop, patterns)
        if language == "zh" and _is_date(text, m, end, stop):
            unit = ""
        if language == "zh" and not unit and max(values) >= _BODILY and _BODY.search(text[: m.start()]):
            unit = "centimeter"
        if language == "zh" and not unit and _PRICE.search(text[: m.start()]):
            unit = MONEY
        start = m.start()
        if not unit and (system := _SYSTEM.search(text[:start])):
            unit = f"{SIZE}{re.sub('[^a-z]', '', _SYSTEMS.get(system[1].lower(), system[1].lower()))}"
        if not unit and re.search(amounts_file().ages[language] + "$", text[:start], re.I):
            unit = AGE
        if language == "en" and not unit and _AND_UP.match(text, end):
            unit = AGE
        if (sign := patterns.before.search(text[max(0, start - 4) : start])) and (not unit or sizes_of(unit) == ()):
            unit, start = amounts_file().signs[sign["sign"]], start - len(sign[0])
        if (
            not unit
            and not m[0].endswith("er-")
            and re.match(r"[A-Za-z_]|-[A-Z](?![a-zäöüß]{2})|[-/]\d*[A-Za-z]{2,}\d", text[end:])
            and not re.match(r"[x×]\s?\d|[stnr][tdh]\b", text[end:])
        ):
            continue  # part of a code: 3M, A4, 2XL
        hidden = text[max(0, start - 1) : start] == "#" or (values in ((0.0,), (1.0,), (0.75,)) and not unit)
        yield Amount(start, stop, values, unit, loose=hidden)


def _is_date(text: str, m: re.Match[str], end: int, stop: int) -> bool:
    """Return True if a Chinese number is a year or a day of a month (2024年, 5月6日)."""
    sign = text[end:stop].strip()
    return (
        (sign == "年" and len(m["n"] or "") == 4) or (sign in "日号" and text[stop : stop + 1] != "内")
        if sign
        else False
    )


def _readings(m: re.Match[str], language: str) -> tuple[float, ...]:
    """Return the possible values of a number in figures, with its fraction ("1½" -> (1.5,))."""
    signs = numerals().fraction_signs
    if m["sign"]:
        above, below = signs[m["sign"]]
        return (above / below,)
    values = _plain_readings(m["n"], language)
    fraction = (m["frac"] or "").strip()
    if fraction in signs:
        above, below = signs[fraction]
        return tuple(v + above / below for v in values)
    if fraction.startswith("/"):
        parts = float(fraction[1:])
        return (values[0] / parts,) if parts else values
    if fraction:
        above_text, _, below_text = fraction.lstrip(" -").partition("/")
        return (values[0] + float(above_text) / (float(below_text) or 1),)
    return values


def _plain_readings(figures: str, language: str) -> tuple[float, ...]:
    """Return the possible values of figures without a fraction.

    There are two where a point or comma may be a decimal sign or separate thousands ("1.234" in German).
    """
    bare = re.sub(r"[ '’]", "", figures)
    if bare.count(".") + bare.count(",") == 0:
        return (float(bare),)
    if bare[0] in ".,":
        return (float("0." + bare[1:]),)
    decimal, group = (",", ".") if language in COMMA else (".", ",")
    if bare.count(".") and bare.count(","):  # of the two signs the last one is the decimal sign
        last = max(bare.rfind("."), bare.rfind(","))
        return (float(re.sub(r"[.,]", "", bare[:last]) + "." + bare[last + 1 :]),)
    sign = "." if "." in bare else ","
    grouped = float(bare.replace(sign, "")) if re.fullmatch(r"\d{1,3}(?:[.,]\d{3})+", bare) else None
    as_decimal = float(bare.replace(sign, ".")) if bare.count(sign) == 1 else None
    if language == "es" and grouped is not None:  # in Mexico a comma separates thousands
        readings: tuple[float | None, ...] = (grouped, as_decimal)
    elif sign == group:
        readings = (grouped, as_decimal if grouped is None or (language in COMMA and as_decimal is not None) else None)
    else:
        readings = (as_decimal, grouped if language in COMMA and sign == decimal and as_decimal is None else None)
    return tuple(v for v in readings if v is not None) or (float(re.sub(r"[.,]", "", bare)),)


def _words(text: str, language: str, patterns: Patterns) -> Iterator[Amount]:
    """Yield the numbers in words of a language with an alphabet, with their units."""
    loose = amounts_file().numbers[language].loose
    for m in _A_UNIT_AND_A_HALF.finditer(text):
        unit, stop = unit_behind(text, m.start("u"), patterns)
        if unit and stop == m.end("u"):
            yield Amount(*m.span(), (1.5,), unit)
    for m in re.finditer(r"\bdoppel(?=[a-zäöü])", text, re.I) if language == "de" else ():
        yield Amount(*m.span(), (2.0,), loose=True)
    for start, end, value in values_of_words(text, language):
        unit, stop = unit_behind(text, end, patterns)
        if language == "de" and not unit and (named := _LASTING.search(text[start:end])):
            unit, stop = _LASTS[named[1].lower()], end
        if half := _AND_A_HALF.match(text, stop):
            behind, stop = (unit, half.end()) if unit else unit_behind(text, half.end(), patterns)
            yield Amount(start, stop, (value + 0.5,), behind)
            continue
        one = value == 1
        if language == "en" and not unit and _AND_UP.match(text, end):
            unit, stop = AGE, end
        yield Amount(
            start, stop if unit else end, (value,), unit, loose=one or (text[start:end].lower() in loose and not unit)
        )


def _counted(unit: str) -> bool:
    """Return True if the number before "x" counts packages when `unit` follows: in 6 x 1 L, but not in 2 x 3 m."""
    return any(dimension in ("mass", "volume", "charge", "power", "memory") for dimension, _ in sizes_of(unit))


def _with_shared_units(listed: Sequence[Amount], text: str) -> list[Amount]:
    """Give numbers without a unit the unit of the number that they are joined with: 20 x 30 cm, 2-3 days, $20-30.

    Usually the second number has the unit. Money signs and ages before the first number apply to the second one.

    Args:
        listed: The numbers of a text, in order.
        text: The text.
    """
    out = list(listed)
    joint = re.compile(
        r"\s?(?:[-–~～/x×*、]|to|and|or|bis|und|oder|mal|auf|a|y|o|u|por|à|et|ou|sur|至|到|和|或|乘|by|[、，,]?[长宽高深厚])\s?",
        re.I,
    )
    for i in range(len(out) - 2, -1, -1):
        one, other = out[i], out[i + 1]
        bare = not one.unit or (one.unit == AGE and "time" in {d for d, _ in sizes_of(other.unit)})
        between = text[one.end : other.start]
        pack = bool(re.search("[x×]", between)) and _counted(other.unit)
        if bare and other.unit and not pack and joint.fullmatch(between):
            values = (
                tuple(h * 60 + half for h in one.values for half in (0, HALF_DAY))
                if other.unit == CLOCK
                else one.values
            )
            out[i] = Amount(one.start, one.end, values, other.unit, one.loose)
    for i, (one, other) in enumerate(pairwise(list(out))):
        sign_before = one.unit in ("usd", "eur", "gbp", "cny", AGE) and not other.unit
        if sign_before and joint.fullmatch(text[one.end : other.start]):
            out[i + 1] = Amount(other.start, other.end, other.values, one.unit, other.loose)
    return out


__all__ = [
    "BUNDLE",
    "CLOCK",
    "DECADE",
    "LANGUAGES",
    "MONEY",
    "MONTH",
    "SIZE",
    "VERSION",
    "WEEKDAY",
    "Amount",
    "amounts",
    "sizes_of",
]
