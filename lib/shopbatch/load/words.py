"""Words of other people's files: names of columns, values, words for null, currencies, languages (data/words.yaml)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal

from shopbatch.tables import TABLES
from shopbatch.text.word_files import WordFile, read_words

Kind = Literal["text", "words", "numbers", "moments"]


class NullWords(WordFile):
    """What stands in place of a value that is not there, by the kind of column; see words.yaml."""

    text: tuple[str, ...]
    words: tuple[str, ...]
    numbers: tuple[str, ...]
    moments: tuple[str, ...]
    kept: dict[str, tuple[str, ...]]
    """`table.column` -> the words that mean something there."""


class Currencies(WordFile):
    """ISO 4217, and what stands beside amounts of money; see words.yaml."""

    codes: tuple[str, ...]
    decimals: dict[str, int]
    whole_in_shops: tuple[str, ...]
    symbols: dict[str, str | None]


class Words(WordFile):
    """What words.yaml holds; its comments say what each part is for."""

    values: dict[str, dict[str, tuple[str, ...]]]
    booleans: dict[Literal["yes", "no"], tuple[str, ...]]
    languages: dict[str, tuple[str, ...]]
    months: tuple[tuple[str, ...], ...]
    null_words: NullWords
    currencies: Currencies
    columns: dict[str, dict[str, tuple[str, ...]]]
    second_meanings: dict[str, dict[str, str]]
    totals: tuple[str, ...]
    product_codes: tuple[str, ...]


@lru_cache(maxsize=1)
def words() -> Words:
    """Return words.yaml as it is written."""
    return read_words(Words, "shopbatch.load", "data/words.yaml")


def normal_name(name: str) -> str:
    """Return a column's name in small letters, without blanks, underscores, hyphens and dots; ’ is the same as '."""
    return re.sub(r"[\s_\-.]+", "", name).replace("’", "'").casefold()


def normal_value(value: str) -> str:
    """Return a value in small letters, trimmed, with one blank for each run of blanks, underscores and hyphens."""
    return re.sub(r"[\s_\-]+", " ", value).strip().casefold()


@lru_cache(maxsize=32)
def values(table: str, column: str) -> Mapping[str, str]:
    """Return what the values of a column may be called.

    Args:
        table: The table.
        column: One of its columns.

    Returns:
        A normalised word (`normal_value`) -> one of the column's allowed values, which are words for themselves. Empty
        for a column in which any value is allowed.
    """
    declared = next((c for c in TABLES[table].columns if c.name == column), None)
    named = {normal_value(value): value for value in (declared.one_of if declared else ())}
    others = words().values.get(f"{table}.{column}", {})
    return named | {normal_value(word): value for value, meant in others.items() for word in meant}


@lru_cache(maxsize=1)
def booleans() -> Mapping[str, bool]:
    """Return what yes and no are called: a normalised word -> whether it is yes."""
    lists = words().booleans
    return {normal_value(word): answer == "yes" for answer in lists for word in (answer, *lists[answer])}


@lru_cache(maxsize=1)
def languages() -> Mapping[str, str]:
    """Return what languages are called: a normalised word -> the ISO 639-1 code."""
    lists = words().languages
    return {normal_value(word): code for code in lists for word in (code, *lists[code])}


@lru_cache(maxsize=1)
def month_numbers() -> Mapping[str, int]:
    """Return the names of months and their abbreviations, in small letters -> 1 to 12."""
    return {name.casefold(): number for number, names in enumerate(words().months, 1) for name in names}


def language(value: str) -> str | None:
    """Return the ISO 639-1 code of a language's name, code or locale (zh_CN, en-US, pt_BR.UTF-8); None if unknown."""
    known, word = languages(), normal_value(value)
    if word in known:
        return known[word]
    locale = re.fullmatch(r"([A-Za-z]{2,3})(?:[-_][A-Za-z0-9]{2,8})+(?:[.@].*)?", value.strip())
    return known.get(locale[1].casefold()) if locale else None


@lru_cache(maxsize=32)
def null_words(kind: Kind, column: str = "") -> frozenset[str]:
    """Return the words for null.

    Args:
        kind: What the column holds: `text` that people wrote, other `words`, `numbers` (also yes and no) or `moments`.
        column: `table.column`; some words for null mean something in one column.

    Returns:
        Trimmed cells, spelled exactly so for `text` and `words`; in small letters for `numbers` and `moments`.
    """
    lists = words().null_words
    chosen = {*lists.text}
    if kind != "text":
        chosen |= {*lists.words}
    if kind in ("numbers", "moments"):
        chosen |= {*lists.numbers}
    if kind == "moments":
        chosen |= {*lists.moments}
    if kind in ("numbers", "moments"):
        return frozenset(word.casefold() for word in chosen)
    return frozenset(chosen - {*lists.kept.get(column, ())})


@lru_cache(maxsize=1)
def totals() -> frozenset[str]:
    """Return the normalised names (`normal_name`) of columns that may hold the amount of a whole order."""
    return frozenset(map(normal_name, words().totals))


@lru_cache(maxsize=1)
def product_codes() -> frozenset[str]:
    """Return the normalised names (`normal_name`) of columns that hold codes of a product or of its variants."""
    return frozenset(map(normal_name, words().product_codes))


@lru_cache(maxsize=1)
def currencies() -> Mapping[str, str | None]:
    """Return what may stand beside an amount, in small letters -> the ISO 4217 code; None where several share it."""
    lists = words().currencies
    return {code.casefold(): code for code in lists.codes} | {s.casefold(): code for s, code in lists.symbols.items()}


def decimals(currency: str | None) -> int:
    """Return how many decimals prices in a currency have: 2 unless its code says otherwise."""
    lists = words().currencies
    if currency in lists.whole_in_shops:
        return 0
    return lists.decimals.get(currency, 2) if currency else 2


@lru_cache(maxsize=16)
def column_synonyms(table: str) -> Mapping[str, str]:
    """Return what other shops call the columns of a table: a normalised name (`normal_name`) -> our column."""
    lists = words().columns.get(table, {})
    return {normal_name(name): column for column, names in lists.items() for name in names}


@lru_cache(maxsize=16)
def second_meanings(table: str) -> Mapping[str, str]:
    """Return what such names mean where another column has their first meaning: a normalised name -> our column."""
    return {normal_name(name): column for name, column in words().second_meanings.get(table, {}).items()}
