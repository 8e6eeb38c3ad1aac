"""Words that occur in other people's files: column names, values, words for null, currencies, languages, months.

They are kept in data/words.yaml; each function here returns one list in the form in which the loader looks words up.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal

from shopbatch.tables import TABLES
from shopbatch.text.word_files import WordFile, read_words

Kind = Literal["text", "words", "numbers", "moments"]


class NullWords(WordFile):
    """The words for a missing value, by the kind of column; the comments of words.yaml explain each list.

    Attributes:
        text: Words for null in text that people wrote.
        words: Further words for null in ids, titles and other names.
        numbers: Further words for null in numbers, Booleans and timestamps.
        moments: Further words for null in timestamps, such as 0000-00-00.
    """

    text: tuple[str, ...]
    words: tuple[str, ...]
    numbers: tuple[str, ...]
    moments: tuple[str, ...]
    kept: dict[str, tuple[str, ...]]
    """`table.column` -> the words that are real values in that column (NA is Namibia in `products.market`)."""


class Currencies(WordFile):
    """Currencies of ISO 4217, and the symbols by which amounts name them.

    Attributes:
        codes: All codes, such as EUR.
        decimals: Code -> number of decimals, where it is not 2.
        whole_in_shops: Codes of currencies in which shops write no decimals.
        symbols: Symbol -> code; None for a symbol that several currencies share.
    """

    codes: tuple[str, ...]
    decimals: dict[str, int]
    whole_in_shops: tuple[str, ...]
    symbols: dict[str, str | None]


class Words(WordFile):
    """The content of words.yaml.

    Attributes:
        values: `table.column` -> an allowed value -> other words for it.
        booleans: `yes` and `no` -> other words for them.
        languages: ISO 639-1 code -> names of the language.
        months: The names and abbreviations of each of the twelve months, in order.
        null_words: Words for a missing value.
        currencies: Codes and symbols of currencies.
        columns: Table -> column -> the names that other shops give it.
        second_meanings: Table -> a name -> the column that it means if the file has a better column for its usual
            meaning.
        totals: Names of columns that may hold the amount of a whole order.
        product_codes: Names of columns that hold SKUs or barcodes of products.
    """

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
    """Return the content of words.yaml, spelled as it is written there."""
    return read_words(Words, "shopbatch.load", "data/words.yaml")


def normal_name(name: str) -> str:
    """Normalise a column name for comparisons ("Created_at" -> "createdat").

    The result is in lower case, without blanks, underscores, hyphens and dots; ’ becomes '.
    """
    return re.sub(r"[\s_\-.]+", "", name).replace("’", "'").casefold()


def normal_value(value: str) -> str:
    """Normalise a value for comparisons: trimmed, lower case, runs of blanks, underscores and hyphens as one blank."""
    return re.sub(r"[\s_\-]+", " ", value).strip().casefold()


@lru_cache(maxsize=32)
def values(table: str, column: str) -> Mapping[str, str]:
    """Return the words that are accepted for the allowed values of a column.

    Args:
        table: Name of the table.
        column: Name of one of its columns.

    Returns:
        Normalised word (`normal_value`) -> allowed value; every allowed value is a word for itself. Empty if the column
        allows any value.
    """
    declared = next((c for c in TABLES[table].columns if c.name == column), None)
    named = {normal_value(value): value for value in (declared.one_of if declared else ())}
    others = words().values.get(f"{table}.{column}", {})
    return named | {normal_value(word): value for value, meant in others.items() for word in meant}


@lru_cache(maxsize=1)
def booleans() -> Mapping[str, bool]:
    """Return the words for yes and no: normalised word (`normal_value`) -> True or False."""
    lists = words().booleans
    return {normal_value(word): answer == "yes" for answer in lists for word in (answer, *lists[answer])}


@lru_cache(maxsize=1)
def languages() -> Mapping[str, str]:
    """Return the names and codes of languages: normalised word (`normal_value`) -> ISO 639-1 code."""
    lists = words().languages
    return {normal_value(word): code for code in lists for word in (code, *lists[code])}


@lru_cache(maxsize=1)
def month_numbers() -> Mapping[str, int]:
    """Return the names of months and their abbreviations in lower case -> 1 to 12."""
    return {name.casefold(): number for number, names in enumerate(words().months, 1) for name in names}


def language(value: str) -> str | None:
    """Return the ISO 639-1 code of a language, given by name, code or locale; None if it is unknown.

    Args:
        value: Such as "German", "de", "zh_CN", "en-US" or "pt_BR.UTF-8".
    """
    known, word = languages(), normal_value(value)
    if word in known:
        return known[word]
    locale = re.fullmatch(r"([A-Za-z]{2,3})(?:[-_][A-Za-z0-9]{2,8})+(?:[.@].*)?", value.strip())
    return known.get(locale[1].casefold()) if locale else None


@lru_cache(maxsize=32)
def null_words(kind: Kind, column: str = "") -> frozenset[str]:
    """Return the words that mean a missing value in a column.

    Args:
        kind: What the column holds: `text` that people wrote, other `words`, `numbers` (also yes and no) or `moments`
            (timestamps).
        column: The column as `table.column`, as some words for null are real values in one column.

    Returns:
        The words. A trimmed cell must be spelled exactly so for `text` and `words`; for `numbers` and `moments` the
        words are in lower case, and case makes no difference.
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
    """Return the normalised names (`normal_name`) of columns that may hold the amount of a whole order.

    `match.py` does not propose such a column for the amount of one line, if that can be computed from quantity and
    price.
    """
    return frozenset(map(normal_name, words().totals))


@lru_cache(maxsize=1)
def product_codes() -> frozenset[str]:
    """Return the normalised names (`normal_name`) of columns with SKUs or barcodes of a product or its variants."""
    return frozenset(map(normal_name, words().product_codes))


@lru_cache(maxsize=1)
def currencies() -> Mapping[str, str | None]:
    """Return the codes and symbols that name a currency beside an amount, in lower case -> the ISO 4217 code.

    The code is None for a symbol that several currencies share.
    """
    lists = words().currencies
    return {code.casefold(): code for code in lists.codes} | {s.casefold(): code for s, code in lists.symbols.items()}


def decimals(currency: str | None) -> int:
    """Return the number of decimals with which prices in a currency are written; 2 if the currency is None or unknown.

    Args:
        currency: ISO 4217 code, such as JPY (0 decimals) or KWD (3).
    """
    lists = words().currencies
    if currency in lists.whole_in_shops:
        return 0
    return lists.decimals.get(currency, 2) if currency else 2


@lru_cache(maxsize=16)
def column_synonyms(table: str) -> Mapping[str, str]:
    """Return the names that other shops give to the columns of a table.

    Args:
        table: Name of our table.

    Returns:
        Normalised name (`normal_name`) -> our column.
    """
    lists = words().columns.get(table, {})
    return {normal_name(name): column for column, names in lists.items() for name in names}


@lru_cache(maxsize=16)
def second_meanings(table: str) -> Mapping[str, str]:
    """Return names that can mean a second column: normalised name (`normal_name`) -> that column of the table.

    A name has its second meaning if the file has a better column for the first one. A German "Bewertung" is usually the
    text of a review, but the number of stars if the file also has a column "Bewertungstext".
    """
    return {normal_name(name): column for name, column in words().second_meanings.get(table, {}).items()}
