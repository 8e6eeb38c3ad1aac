"""Chinese number expressions for `amounts.py`: Han numerals, discounts (八五折) and shares (百分之五)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from shopbatch.text.amount_patterns import Amount, Patterns, unit_behind
from shopbatch.text.numerals import from_chinese, numerals
from shopbatch.text.units import units

_HAN = r"[零〇一二两三四五六七八九十百千万亿]{1,12}(?:点[零〇一二三四五六七八九]{1,6})?"
_DISCOUNT = re.compile(r"(?P<n>\d{1,2}(?:\.\d)?|[一二三四五六七八九]{1,2})\s?折(?!叠|扣价|角|痕|皱|边|断|射|返)")
_SHARE = re.compile(rf"百分之(?P<n>\d+(?:\.\d+)?|{_HAN})")
_PARTS = re.compile(rf"(?P<d>{_HAN}|\d+)分之(?P<n>{_HAN}|\d+)")
_TENTHS = re.compile(r"(?P<n>[一二三四五六七八九]|\d)成(?![分员立功本熟为年了就品])")


def chinese_shares(text: str) -> Iterator[Amount]:
    """Yield the discounts, percentages and fractions of a Chinese text.

    A discount has two values: the per cent taken off and the per cent paid (八五折 -> 15 or 85).
    """
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


def chinese_words(text: str, patterns: Patterns) -> Iterator[Amount]:
    """Yield the numbers in Han numerals, with their units.

    Args:
        text: A Chinese text.
        patterns: The patterns of Chinese.
    """
    counters = units().chinese_counters
    counted = re.compile(rf"\s?(?:多|来|余)?(?:{counters})")
    for m in re.finditer(rf"(?P<n>{_HAN}|\d+)个半(?=小时|钟头|月)", text):
        unit, end = unit_behind(text, m.end(), patterns)
        yield Amount(m.start(), end, (from_chinese(m["n"]) + 0.5,), unit)
    for m in re.finditer(rf"(?<![第\d.几数好])(?P<n>{_HAN})(?P<more>半)?", text):
        if m["n"] in ("千", "万", "亿", "百"):
            continue
        if _sums_up(text, m):
            yield Amount(*m.span(), (from_chinese(m["n"]),), loose=True)
            continue
        value = from_chinese(m["n"])
        unit, end = unit_behind(text, m.end(), patterns)
        half = bool(m["more"]) or text[end : end + 1] == "半"
        value += 0.5 if half else 0.0
        end += 1 if half and not m["more"] else 0
        counter = counted.match(text, m.end())
        firm = bool(unit) or (counter is not None and value >= 2)
        yield Amount(m.start(), end, (value,), unit, loose=not firm or value == 1)
    for m in re.finditer(r"第(?P<n>[一二三四五六七八九十]{1,3}|\d+)", text):
        yield Amount(*m.span(), (from_chinese(m["n"]),), loose=True)
    for m in re.finditer(r"半(?=个?(?:小时|天|年|月|价|斤|升|公斤))", text):
        unit, end = unit_behind(text, m.end(), patterns)
        yield Amount(m.start(), end, (0.5, 50.0) if text[end : end + 1] == "价" else (0.5,), unit, loose=True)


def _sums_up(text: str, m: re.Match[str]) -> bool:
    """Return True if a number only counts the items listed before it: 两 (two) in M和L两码 ("M and L, two sizes").

    Translations usually leave such a number out.
    """
    listed = re.search(r"[^，。！？；：,;:!?\s]+$", text[: m.start()])
    return (
        listed is not None
        and bool(re.match("[种款码色类项档样者]|个?(?:尺码|颜色|版本|口味)", text[m.end() :]))
        and len(re.findall("[、和与及或]", listed[0])) + 1 == from_chinese(m["n"])
    )
