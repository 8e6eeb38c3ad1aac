"""Parses numbers in figures, English words and Chinese characters into floats (numerals.yaml)."""

from __future__ import annotations

import re
from functools import lru_cache

from shopbatch.text.word_files import WordFile, read_words


class _English(WordFile):
    ones: tuple[str, ...]
    tens: tuple[str, ...]
    scales: dict[str, float]
    parts: dict[str, int]


class _Chinese(WordFile):
    digits: dict[str, int]
    scales: dict[str, int]


class Numerals(WordFile):
    """The number words and signs of numerals.yaml."""

    english: _English
    fraction_signs: dict[str, tuple[int, int]]
    chinese: _Chinese


@lru_cache(maxsize=1)
def numerals() -> Numerals:
    """Return the number words and signs of numerals.yaml, read once per process."""
    return read_words(Numerals, "shopbatch.text", "numerals.yaml")


@lru_cache(maxsize=1)
def english_values() -> dict[str, float]:
    """Return the values of the English number words from zero to nineteen and of the tens from twenty to ninety."""
    english = numerals().english
    values = {word: float(value) for value, word in enumerate(english.ones)}
    return values | {word: 10.0 * value for value, word in enumerate(english.tens, 2)}


def from_figures(figures: str) -> float:
    """Parse a number in figures: `1,500`, `.5`, `1 3/4`, `1½`, `3万`. A comma separates thousands."""
    figures = figures.replace(",", "").strip()
    for sign, (above, below) in numerals().fraction_signs.items():
        if figures.endswith(sign):
            return float(figures[:-1].strip() or 0) + above / below
    if "/" in figures:
        whole, _, fraction = figures.replace("-", " ").rpartition(" ")
        numerator, denominator = fraction.split("/")
        return float(whole or 0) + float(numerator) / (float(denominator) or 1)
    scale = numerals().chinese.scales.get(figures[-1])
    return float(figures[:-1]) * scale if scale else float(figures)


def from_english(words: str) -> float:
    """Parse a number in English words.

    Examples: "seventy-five", "a hundred and twenty", "half a dozen", "three quarters", "one point five".
    """
    values, english = english_values(), numerals().english
    whole, _, decimals = re.sub(r"[\s-]+", " ", words.lower()).partition(" point ")
    total = current = 0.0
    for word in whole.split():
        if word in values:
            current += values[word]
        elif word in ("thousand", "million"):
            total, current = total + (current or 1) * english.scales[word], 0.0
        elif word in english.scales:
            current = (current or 1) * english.scales[word]
        elif word in english.parts:
            part = 1 / english.parts[word]
            current = current * part if word.endswith("s") and current else current + part
    if decimals:
        current += float("0." + "".join(str(int(values.get(word, 0))) for word in decimals.split()))
    return total + current


def from_chinese(characters: str) -> float:
    """Parse a number in Chinese characters: 十二, 两百五 (250), 一千五百, 半, 一点五 or 3万."""
    if characters == "半":
        return 0.5
    if characters[0].isdigit() or characters[0] == ".":
        return from_figures(characters)
    digits, scales = numerals().chinese.digits, numerals().chinese.scales
    whole, _, decimals = characters.partition("点")
    if len(whole) > 1 and not set(whole) & set(scales):  # 二〇二六: figures that are read one by one
        return float("".join(str(digits[c]) for c in whole))
    total, section, digit, last_scale = 0, 0, 0, 1
    for c in whole:
        if c in digits:
            digit = digits[c]
            last_scale = 1 if c in "零〇" else last_scale
        elif scales[c] >= 10_000:
            total, section, digit, last_scale = (total + section + digit or 1) * scales[c], 0, 0, scales[c]
        else:
            section, digit, last_scale = section + (digit or 1) * scales[c], 0, scales[c]
    # 两百五 is 250: a last digit without a scale is of the scale below the one before it
    short = last_scale >= 100 and whole[-1] in digits and whole[-2] not in "零〇"
    total += section + digit * (last_scale // 10 if short else 1)
    return total + (float("0." + "".join(str(digits[c]) for c in decimals)) if decimals else 0.0)
