"""Numbers in English, Spanish, German and French words, for `amounts.py`; loads the word lists of amounts.yaml."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from pydantic import Field

from shopbatch.text.numerals import english_values, from_english, numerals
from shopbatch.text.word_files import WordFile, read_words

WORD_VALUES = ("en", "es", "de", "fr")


class _Words(WordFile):
    one: tuple[str, ...]
    ones: dict[str, float] = Field(default={})
    tens: dict[str, float] = Field(default={})
    hundreds: dict[str, float] = Field(default={})
    joints: tuple[str, ...] = ()
    loose: dict[str, float | tuple[float, ...]]


class _Unit(WordFile):
    kind: str = ""
    factor: float = 0.0
    en: tuple[str, ...] = ()
    es: tuple[str, ...] = ()
    de: tuple[str, ...] = ()
    fr: tuple[str, ...] = ()
    zh: tuple[str, ...] = ()


class _Sayings(WordFile):
    decade: tuple[str, ...]
    bundle: tuple[str, ...]
    half: tuple[str, ...]
    days: dict[str, tuple[float, ...]]
    feasts: dict[str, tuple[float, ...]]


class AmountsFile(WordFile):
    """The content of amounts.yaml: number words, units, months and idiomatic expressions by language.

    The head of that file explains the fields.
    """

    numbers: dict[str, _Words]
    scales: dict[str, dict[str, float]]
    units: dict[str, _Unit]
    signs: dict[str, str]
    clock: dict[str, tuple[str, ...]]
    ages: dict[str, str]
    months: dict[str, tuple[str, ...]]
    weekdays: dict[str, tuple[str, ...]]
    idioms: dict[str, tuple[str, ...]]
    sayings: dict[str, _Sayings]


@lru_cache(maxsize=1)
def amounts_file() -> AmountsFile:
    """Return the word lists of amounts.yaml, read once per process."""
    return read_words(AmountsFile, "shopbatch.text", "amounts.yaml")


@lru_cache(maxsize=len(WORD_VALUES))
def _values(language: str) -> dict[str, float]:
    """Return the value of each number word of a language, from one to the hundreds."""
    words = amounts_file().numbers[language]
    values = {word: 1.0 for word in words.one}
    for part in ("ones", "tens", "hundreds"):
        values |= getattr(words, part)
    if language == "fr":
        values["neuf"] = 9.0
    return values


@lru_cache(maxsize=len(WORD_VALUES))
def _pattern(language: str) -> re.Pattern[str]:
    if language == "en":
        english = numerals().english
        words = [w for w in (*english_values(), *english.scales) if w not in ("zero",)]
        one = "|".join(sorted(map(re.escape, words), key=len, reverse=True))
        return re.compile(rf"\b(?:{one})(?:(?:[\s-]+and)?[\s-]+(?:{one})\b)*\b", re.I)
    if language == "de":
        return re.compile(r"\b[a-zäöüß]{3,}\b", re.I)
    scales = [s for s in amounts_file().scales[language] if s.isalpha()]
    one = "|".join(sorted(map(re.escape, {*_values(language), *scales}), key=len, reverse=True))
    joints = "|".join(amounts_file().numbers[language].joints)
    tens = "(?<=ta)|(?<=te)" if language == "es" else "(?<=ingt)|(?<=ante)"  # before a joint: not in `tres y cinco`
    return re.compile(rf"(?<![\w-])(?:{one})(?:(?:(?:{tens})[\s-]+(?:{joints}))?[\s-]+(?:{one})\b)*(?![\w])", re.I)


def values_of_words(text: str, language: str) -> Iterator[tuple[int, int, float]]:
    """Yield (start, end, value) of each number in words ("cuarenta y dos" -> 42).

    Args:
        text: The text.
        language: "en", "es", "de" or "fr" (WORD_VALUES).
    """
    for m in _pattern(language).finditer(text):
        words = m[0].lower()
        if language == "en":
            yield *m.span(), from_english(words)
        elif language == "de":
            value = _german(words)
            if value is not None:
                yield *m.span(), value
        else:
            yield *m.span(), _sum(re.split(r"[\s-]+", words), language)


def _sum(words: list[str], language: str) -> float:
    """Return the value of Spanish or French number words: "cuarenta y dos", "deux cent quatre-vingt-dix"."""
    values, scales = _values(language), amounts_file().scales[language]
    total = current = 0.0
    for word, before in zip(words, ["", *words], strict=False):
        if word in ("vingt", "vingts") and before == "quatre":
            current += 76
        elif word in scales:
            total, current = total + (current or 1) * scales[word], 0.0
        elif language == "fr" and word in ("cent", "cents"):
            current = (current or 1) * 100
        else:
            current += values.get(word, 0.0)
    return total + current


@lru_cache(maxsize=1)
def _german_pattern() -> re.Pattern[str]:
    words = amounts_file().numbers["de"]
    ones = "|".join([*words.ones, "ein", "eins"])
    tens = "|".join(words.tens)
    return re.compile(
        rf"(?:(?P<k>{ones})?tausend)?(?:(?P<h>{ones})?(?P<hundred>hundert))?(?:und)?"
        rf"(?:(?P<o>{ones})und(?P<t>{tens})|(?P<n>{tens}|{ones}))?(?P<inflected>en?)?"
        r"(?:mal(?:ige[rsnm]?)?|fach(?:e[rsnm]?)?|teilige?[rsnm]?|tägige?[rsnm]?|stündige?[rsnm]?|jährige?[rsnm]?"
        r"|(?:lag|stuf|seit|farb|reih|schicht|tür|pol|monat|wöch|prozent|sitz|zeil|zoll|spur)ige?[rsnm]?"
        r"|er(?:-?(?:set|pack|packung|pack[s]?))?)?"
    )


@lru_cache(maxsize=4_096)
def _german(word: str) -> float | None:
    """Return the value of a German number word, also in a compound ("einundzwanzig" -> 21, "dreiteilig" -> 3).

    It is None for a word that is no number.
    """
    values = _values("de")
    if word in values:
        return values[word]
    m = _german_pattern().fullmatch(word)
    if not m or not (m["hundred"] or m["o"] or m["n"] or "tausend" in word):
        return None
    if word in ("einen", "eine", "eins"):
        return 1.0
    total = 1000 * (values[m["k"]] if m["k"] else 1) if "tausend" in word else 0.0
    total += 100 * (values[m["h"]] if m["h"] else 1) if m["hundred"] else 0.0
    total += values[m["o"]] + values[m["t"]] if m["o"] else 0.0
    total += values[m["n"]] if m["n"] else 0.0
    return total
