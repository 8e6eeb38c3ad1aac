"""Numbers of texts in five languages, with their units, in figures and in words: what two texts state can be compared.

`quantities.py` reads English and Chinese closely, to tell whether one text backs another of the same language. This
module reads English, Chinese, Spanish, German and French alike, to tell whether a translation states the same numbers
(amounts.yaml). A number that a language may say otherwise is loose: it may correspond to one of the other text, and
need not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from shopbatch.text.amount_words import amounts_file, values_of_words
from shopbatch.text.numerals import from_chinese, numerals
from shopbatch.text.quantities import fold_width
from shopbatch.text.units import units

VERSION = 1  # of all that is read here; checks that use it name it
LANGUAGES = ("en", "zh", "es", "de", "fr")
TOLERANCE = 0.02  # relative difference of a size that is restated in another unit
CLOCK, MONTH, WEEKDAY = "clock", "month_name", "weekday"
_COMMA = frozenset({"es", "de", "fr"})  # languages with a decimal comma
_HALF_DAY = 720
_FIGURES = (
    r"(?<![\w.,/#@])(?<![A-Za-z]-)(?P<n>\d{1,3}(?:[.,'’ ]\d{3})+(?:[.,]\d{1,2})?(?!\d)|\d+(?:[.,]\d+)?|[.,]\d+)(?:er-)?"
    r"(?P<frac>\s?[½¼¾⅓⅔]|(?:[\s-]\d)?/\d+(?![\d/]))?|(?P<sign>[½¼¾⅓⅔])"
)
_FIGURES_ZH = r"(?<![A-Za-z\d.,/#@_])(?<![A-Za-z]-)(?P<n>\d{1,3}(?:,\d{3})+(?:\.\d+)?(?!\d)|\d+(?:\.\d+)?)(?P<frac>/\d+(?![\d/]))?(?P<sign>(?!))?"
_HAN = r"[零〇一二两三四五六七八九十百千万亿]{1,12}(?:点[零〇一二三四五六七八九]{1,6})?"
_DISCOUNT = re.compile(r"(?P<n>\d{1,2}(?:\.\d)?|[一二三四五六七八九]{1,2})\s?折(?!叠|扣价|角|痕|皱|边|断|射|返)")
_SHARE = re.compile(rf"百分之(?P<n>\d+(?:\.\d+)?|{_HAN})")
_PARTS = re.compile(rf"(?P<d>{_HAN}|\d+)分之(?P<n>{_HAN}|\d+)")
_TENTHS = re.compile(r"(?P<n>[一二三四五六七八九]|\d)成(?![分员立功本熟为年了就品])")
_DATE = re.compile(r"(?<![\d.,/-])(?P<a>\d{1,4})(?P<s>[./-])(?P<b>\d{1,2})(?P=s)(?P<c>\d{2,4})(?![\d/-]|\.\d)")
_SHORT_DATE = re.compile(r"(?<![\d.,/-])(?P<a>\d{2})(?:/(?P<b>\d{2})(?![\d/-]|\.\d)|\.(?P<bb>0\d|1[0-2])\.(?!\d))")
_AND_A_HALF = re.compile(r"\s(?:and a half|y media?|und eine?n? halbe?n?s?|et demie?)\b", re.I)
_A_UNIT_AND_A_HALF = re.compile(r"\b(?:an?|un|une|una|eine?n?|(?=\w+ y medi)) ?(?P<u>\w+) (?:and a half|y medi[oa]|et demie?)\b", re.I)
_SHORT_MONTHS = re.compile(
    r"\b(?P<n>Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\b\.?(?=\s?\d)|(?<=\d\s)(?P<m>Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\b\.?"
)
_SHORT = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH_ZH = re.compile(r"(?<![\d个])(?P<n>1[0-2]|[1-9]|十[一二]?|[一二三四五六七八九])月(?!内|饼|光|亮|子|租|费)")


@dataclass(frozen=True)
class Amount:
    """A number of a text.

    Attributes:
        start: Where it begins.
        end: Where it ends, with its unit.
        values: What it may be worth: more than one where its figures can be read in two ways.
        unit: Name of its unit; "" where none is known.
        loose: Whether the other language may leave it out or say it without a number.
    """

    start: int
    end: int
    values: tuple[float, ...]
    unit: str = ""
    loose: bool = False


@dataclass(frozen=True)
class _Patterns:
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
def _patterns(language: str) -> _Patterns:
    words, chinese = amounts_file(), language == "zh"
    named = _named_units(language)
    scales = "|".join(map(re.escape, sorted(words.scales[language], key=len, reverse=True)))
    signs = "|".join(map(re.escape, sorted(words.signs, key=len, reverse=True)))
    behind = "" if chinese else r"(?![^\W\d_])"
    gap = r"\s?(?:多|来|余)?" if chinese else r"(?:\s|-|\s?-\s?)?"
    unit = "|".join(f"(?P<u{i}>{pattern})" for i, (_, pattern) in enumerate(named))
    months = words.months.get(language)
    loose = "|".join(map(re.escape, sorted(words.numbers[language].loose, key=len, reverse=True)))
    return _Patterns(
        figures=re.compile(_FIGURES_ZH if chinese else _FIGURES),
        scale=re.compile(rf"\s?(?P<s>{scales}){behind}" if chinese else rf"(?:\s|-)?(?P<s>{scales})\b", re.I),
        unit=re.compile(rf"{gap}(?:(?P<sign>{signs})(?![A-Za-z])|(?:{unit}){behind})", 0 if chinese else re.I),
        names=tuple(name for name, _ in named),
        before=re.compile(rf"(?P<sign>{signs})\s?$"),
        idioms=re.compile("|".join(words.idioms[language]), re.I),
        clock=tuple(re.compile(p, re.I) for p in words.clock[language]),
        months=re.compile(rf"\b(?:{'|'.join(months)})\b", 0 if language == "en" else re.I) if months else None,
        weekdays=tuple(
            re.compile(rf"(?<![一二两三四五六七八九十每\d]){p}(?![次个月年])" if chinese else rf"\b{p}\b", re.I)
            for p in words.weekdays[language]
        ),
        loose=re.compile(loose if chinese else rf"\b(?:{loose})\b", re.I),
    )


def _named_units(language: str) -> list[tuple[str, str]]:
    """Names of units and the pattern of each, the longest name first."""
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
    """Factors of the units of units.yaml that amounts have, by name."""
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
    """The dimensions of a unit with their factors; () for an unknown one, and for hours, months and weekdays."""
    return _unit_factors().get(unit, ())


@lru_cache(maxsize=4_096)
def amounts(text: str, language: str) -> tuple[Amount, ...]:
    """Return the numbers of a text in order, none inside another.

    Args:
        text: The text.
        language: One of LANGUAGES.
    """
    folded = fold_width(text)
    patterns = _patterns(language)
    folded = patterns.idioms.sub(lambda m: " " * len(m[0]), folded)
    taken = [False] * len(folded)
    out: list[Amount] = []
    for amount in _candidates(folded, language, patterns):
        if amount.end > amount.start and not any(taken[amount.start : amount.end]):
            taken[amount.start : amount.end] = [True] * (amount.end - amount.start)
            out.append(amount)
    out.sort(key=lambda a: a.start)
    return tuple(_with_shared_units(out, folded))


def _candidates(text: str, language: str, patterns: _Patterns) -> Iterator[Amount]:
    yield from _dates(text, language)
    yield from _clock(text, language, patterns)
    if language == "zh":
        yield from _chinese_shares(text)
    yield from _calendar(text, language, patterns)
    yield from _figures(text, language, patterns)
    yield from _chinese_words(text, patterns) if language == "zh" else _words(text, language, patterns)
    for m in patterns.loose.finditer(text):
        values = amounts_file().numbers[language].loose[m[0].lower()]
        yield Amount(*m.span(), values if isinstance(values, tuple) else (values,), loose=True)


def _dates(text: str, language: str) -> Iterator[Amount]:
    """Dates in figures, each as three numbers or two: which is the day and which the month may stay open."""
    for m in _DATE.finditer(text):
        for group in ("a", "b", "c"):
            yield Amount(*m.span(group), (float(m[group]),))
    for m in _SHORT_DATE.finditer(text) if language in _COMMA else ():
        month = "b" if m["b"] else "bb"
        if int(m["a"]) <= 31 and 1 <= int(m[month]) <= 12:
            yield Amount(*m.span("a"), (float(m["a"]),))
            yield Amount(*m.span(month), (float(m[month]),))


def _clock(text: str, language: str, patterns: _Patterns) -> Iterator[Amount]:
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
                values: tuple[float, ...] = (minutes + _HALF_DAY,)
            elif number == 12 and (afternoon or morning):
                values = (float(minutes if afternoon else minutes - _HALF_DAY),)
            elif number <= 12 and not morning and language in ("en", "zh", "es"):
                values = (float(minutes), float((minutes + _HALF_DAY) % 1440))
            else:
                values = (float(minutes),)
            yield Amount(*m.span(), values, CLOCK)


def _hour(words: str, language: str) -> int | None:
    if words.isdigit():
        return int(words)
    if language == "zh":
        return int(from_chinese(words))
    return next((int(value) for _, _, value in values_of_words(words, language)), None)


def _chinese_shares(text: str) -> Iterator[Amount]:
    for m in _DISCOUNT.finditer(text):
        digits = m["n"] if m["n"][0].isdigit() else "".join(str(numerals().chinese.digits.get(c, 0)) for c in m["n"])
        value = float(digits)
        paid = value if value >= 10 else value * 10
        yield Amount(*m.span(), (round(100 - paid, 3), round(paid, 3)), "percent")
    for m in _SHARE.finditer(text):
        yield Amount(*m.span(), (from_chinese(m["n"]),), "percent")
    for m in _PARTS.finditer(text):
        yield Amount(*m.span(), (from_chinese(m["n"]) / max(from_chinese(m["d"]), 1),), loose=True)
    for m in _TENTHS.finditer(text):
        yield Amount(*m.span(), (10 * from_chinese(m["n"]),), "percent")


def _calendar(text: str, language: str, patterns: _Patterns) -> Iterator[Amount]:
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
            )
            if sure:
                yield Amount(*m.span(), (1.0 + names.index(m[0].lower()),), MONTH)
        for m in _SHORT_MONTHS.finditer(text) if language == "en" else ():
            yield Amount(*m.span(), (1.0 + _SHORT.index((m["n"] or m["m"])[:3].lower()),), MONTH)
    for number, pattern in enumerate(patterns.weekdays, 1):
        for m in pattern.finditer(text):
            yield Amount(*m.span(), (float(number),), WEEKDAY)


def _figures(text: str, language: str, patterns: _Patterns) -> Iterator[Amount]:
    for m in patterns.figures.finditer(text):
        values = _readings(m, language)
        end, scaled = m.end(), patterns.scale.match(text, m.end())
        if scaled and not (language == "zh" and not scaled["s"]):
            factor = amounts_file().scales[language][scaled["s"].lower()]
            values, end = tuple(round(v * factor, 6) for v in values), scaled.end()
        unit, stop = _unit_behind(text, end, patterns)
        if half := _AND_A_HALF.match(text, stop):
            values, stop = tuple(v + 0.5 for v in values), half.end()
            unit, stop = (unit, stop) if unit else _unit_behind(text, stop, patterns)
        if language == "zh" and _is_date(text, m, stop):
            unit = ""
        start = m.start()
        if not unit and re.search(amounts_file().ages[language] + "$", text[:start], re.I):
            unit = "year"
        if (sign := patterns.before.search(text[max(0, start - 4) : start])) and (not unit or sizes_of(unit) == ()):
            unit, start = amounts_file().signs[sign["sign"]], start - len(sign[0])
        if (
            not unit
            and not m[0].endswith("er-")
            and re.match(r"[A-Za-z_]|-[A-Z]|[-/]\d*[A-Za-z]{2,}\d", text[end:])
            and not re.match(r"[x×]\s?\d|[stnr][tdh]\b", text[end:])
        ):
            continue  # part of a code: 3M, A4, 2XL
        yield Amount(start, stop, values, unit)


def _is_date(text: str, m: re.Match[str], stop: int) -> bool:
    """Whether a Chinese number is a year or a day of a month: 2024年, 5月6日."""
    sign = text[stop - 1 : stop]
    return (
        (sign == "年" and len(m["n"] or "") == 4) or (sign in "日号" and text[stop : stop + 1] != "内")
        if sign
        else False
    )


def _unit_behind(text: str, end: int, patterns: _Patterns) -> tuple[str, int]:
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
        if (
            re.match(r"[\s-]", m[0]) and re.match(r"[\s-]*in$", m[0], re.I) and re.match(r"\s[a-zà-ÿ]", after)
        ) or after[:1] in "'’":
            return "", end
    return name, m.end()


def _readings(m: re.Match[str], language: str) -> tuple[float, ...]:
    """What figures may be worth."""
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
        below = float(fraction[1:])
        return (values[0] / below,) if below else values
    if fraction:
        above_text, _, below_text = fraction.lstrip(" -").partition("/")
        return (values[0] + float(above_text) / (float(below_text) or 1),)
    return values


def _plain_readings(figures: str, language: str) -> tuple[float, ...]:
    bare = re.sub(r"[ '’]", "", figures)
    if bare.count(".") + bare.count(",") == 0:
        return (float(bare),)
    if bare[0] in ".,":
        return (float("0." + bare[1:]),)
    decimal, group = (",", ".") if language in _COMMA else (".", ",")
    if bare.count(".") and bare.count(","):  # the last one is the decimal sign
        last = max(bare.rfind("."), bare.rfind(","))
        return (float(re.sub(r"[.,]", "", bare[:last]) + "." + bare[last + 1 :]),)
    sign = "." if "." in bare else ","
    grouped = float(bare.replace(sign, "")) if re.fullmatch(r"\d{1,3}(?:[.,]\d{3})+", bare) else None
    as_decimal = float(bare.replace(sign, ".")) if bare.count(sign) == 1 else None
    if sign == group:
        readings = (grouped, as_decimal if grouped is None or (language in _COMMA and as_decimal is not None) else None)
    else:
        readings = (as_decimal, grouped if language in _COMMA and sign == decimal and as_decimal is None else None)
    return tuple(v for v in readings if v is not None) or (float(re.sub(r"[.,]", "", bare)),)


def _words(text: str, language: str, patterns: _Patterns) -> Iterator[Amount]:
    """Numbers in words, of languages with an alphabet."""
    loose = amounts_file().numbers[language].loose
    for m in _A_UNIT_AND_A_HALF.finditer(text):
        unit, stop = _unit_behind(text, m.start("u"), patterns)
        if unit and stop == m.end("u"):
            yield Amount(*m.span(), (1.5,), unit)
    for start, end, value in values_of_words(text, language):
        unit, stop = _unit_behind(text, end, patterns)
        if half := _AND_A_HALF.match(text, stop):
            behind, stop = (unit, half.end()) if unit else _unit_behind(text, half.end(), patterns)
            yield Amount(start, stop, (value + 0.5,), behind)
            continue
        one = value == 1
        yield Amount(
            start, stop if unit else end, (value,), unit, loose=one or (text[start:end].lower() in loose and not unit)
        )


def _chinese_words(text: str, patterns: _Patterns) -> Iterator[Amount]:
    counters = units().chinese_counters
    counted = re.compile(rf"\s?(?:多|来|余)?(?:{counters})")
    for m in re.finditer(rf"(?<![第每\d.几数好])(?P<n>{_HAN})(?P<more>半)?", text):
        if m["n"] in ("千", "万", "亿", "百"):
            continue
        value = from_chinese(m["n"])
        unit, end = _unit_behind(text, m.end(), patterns)
        half = bool(m["more"]) or text[end : end + 1] == "半"
        value += 0.5 if half else 0.0
        end += 1 if half and not m["more"] else 0
        counter = counted.match(text, m.end())
        firm = bool(unit) or (counter is not None and value >= 2)
        yield Amount(m.start(), end, (value,), unit, loose=not firm or value == 1)
    for m in re.finditer(r"第(?P<n>[一二三四五六七八九十]{1,3}|\d+)", text):
        yield Amount(*m.span(), (from_chinese(m["n"]),), loose=True)
    for m in re.finditer(r"半(?=个?(?:小时|天|年|月|价|斤|升|公斤))", text):
        unit, end = _unit_behind(text, m.end(), patterns)
        yield Amount(m.start(), end, (0.5,), unit, loose=True)


def _with_shared_units(listed: Sequence[Amount], text: str) -> list[Amount]:
    """Let numbers share the unit of the one behind them: 20 x 30 cm, 2-3 days, 30 to 40 degrees."""
    out = list(listed)
    joint = re.compile(
        r"\s?(?:[-–~～/x×*、]|to|and|or|bis|und|oder|mal|auf|a|y|o|u|por|à|et|ou|sur|至|到|和|或|乘|by)\s?", re.I
    )
    for i in range(len(out) - 2, -1, -1):
        one, other = out[i], out[i + 1]
        if not one.unit and other.unit and joint.fullmatch(text[one.end : other.start]):
            out[i] = Amount(one.start, one.end, one.values, other.unit, one.loose)
    for i, (one, other) in enumerate(pairwise(list(out))):
        sign_before = one.unit in ("usd", "eur", "gbp", "cny", "year") and not other.unit
        if sign_before and joint.fullmatch(text[one.end : other.start]):
            out[i + 1] = Amount(other.start, other.end, other.values, one.unit, other.loose)
    return out


__all__ = ["CLOCK", "LANGUAGES", "MONTH", "VERSION", "WEEKDAY", "Amount", "amounts", "sizes_of"]
