"""Reads the values that a product's row states (colour, size, amount, ...), each with its place in the row.

Search, the shopping guide and other jobs compare these statements with a query's constraints.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from shopbatch.capabilities.search.understanding.numbers import amounts, size_value, split_amount
from shopbatch.capabilities.search.understanding.reading import read
from shopbatch.capabilities.search.understanding.tokens import tokens
from shopbatch.capabilities.search.understanding.values import Phrase, name_values
from shopbatch.capabilities.search.understanding.vocabulary import HAN, Vocabulary, fold, forms
from shopbatch.capabilities.search.understanding.words import listed
from shopbatch.capabilities.search.variants import KIND as COLOURS
from shopbatch.capabilities.search.variants import Variant, variants
from shopbatch.grounding.lexicon import lexicon
from shopbatch.text.quantities import fold_width

COLUMNS = (
    *("product_id", "title", "category", "product_type", "brand", "package_size", "description", "attributes", "tags"),
    *("price", "sale_price", "currency"),
)
VERSION = 2  # of the reading rules; part of the recipes of the jobs that use them
_KIND_OF_ROLE = {
    **{"colour": "colour", "material": "material", "upper": "material", "filling": "material", "season": "season"},
    **{"gender": "gender", "age_group": "age", "recommended_age": "age", "size": "size"},
}
_MEASURED = frozenset(
    ("capacity", "weight", "length", "dimensions", "diameter", "height", "width", "depth", "package_size", "size")
)
_SEASONS, _GENDERS = ("spring", "summer", "autumn", "winter"), ("women", "men")
_LONGEST = 4_000  # characters; the rest of a longer text is not read


@dataclass(frozen=True)
class Statement:
    """One value that a product's row states.

    Attributes:
        kind: Kind of value, one of `need.KINDS`.
        value: The canonical value ("red", "500 ml").
        column: The column that states it, or `attributes.NAME` or `tags.NUMBER`.
        start: Where the value begins in that text.
        end: Where the value ends.
        is_main: True if the row states the value about the product itself. False if the value may belong to something
            else (in a description, or for a lining): it can exclude the product, but does not meet a condition.
    """

    kind: str
    value: str
    column: str
    start: int
    end: int
    is_main: bool


def value_of(row: Mapping[str, Any], column: str) -> str:
    """Return the text of a row's column, or of `attributes.NAME` or `tags.NUMBER`; "" if there is none."""
    name, _, part = column.partition(".")
    value = row.get(name)
    if name == "attributes":
        value = dict(value or ()).get(part)
    elif name == "tags" and value:
        value = value[int(part)]
    return "" if value is None else str(value)


def statements(row: Mapping[str, Any], vocabulary: Vocabulary) -> list[Statement]:
    """Read all values that a row of the catalogue states.

    Args:
        row: The columns of COLUMNS by name; `attributes` is a mapping or a list of (name, value).
        vocabulary: The names of types, brands and values to look for.

    Returns:
        The statements, those of the attributes first. Features that the row denies ("without a hood") are left out.
    """
    attributes = list(_of_attributes(row, vocabulary))
    stated = {s.kind for s in attributes if s.is_main}
    rest = [*_of_texts(row, vocabulary), *_of_brand(row)]
    has_type = any(s.kind == "type" and s.column == "product_type" for s in rest)
    out = list(attributes)
    measured = {split_amount(s.value)[1] for s in (*attributes, *rest) if s.kind == "amount" and s.is_main}
    for s in rest:
        if s.kind == "amount":
            # an amount in a description counts if nothing else states that unit: 容量500毫升
            if s.is_main or split_amount(s.value)[1] not in measured:
                out.append(replace(s, is_main=True))
            continue
        is_main = s.is_main and s.kind not in stated
        if s.kind == "type" and has_type and s.column != "product_type":
            is_main = False
        out.append(s if is_main == s.is_main else Statement(s.kind, s.value, s.column, s.start, s.end, is_main))
    return out


def colour_variants(row: Mapping[str, Any], vocabulary: Vocabulary) -> tuple[str, list[Variant]]:
    """Return the attribute that lists the colours of a product's variants, with its entries.

    A product whose title or type names a colour has that colour, whatever its attributes list.

    Args:
        row: A row of the catalogue.
        vocabulary: The names of types, brands and values to look for.

    Returns:
        The attribute (`attributes.NAME`) and its entries; ("", []) if no attribute lists several colours.
    """
    for column in ("title", "product_type"):
        if any(s.kind == COLOURS for s in _values(value_of(row, column), column, vocabulary, is_main=True)):
            return "", []
    for name, value in dict(row.get("attributes") or ()).items():
        column = f"attributes.{name}"
        if value and lexicon("zh" if HAN.search(name) else "en").role(name) == COLOURS:

            def named(text: str, column: str = column) -> Iterator[str]:
                return (s.value for s in _values(text, column, vocabulary, is_main=True) if s.kind == COLOURS)

            if listed := variants(value, named):
                return column, listed
    return "", []


def _of_brand(row: Mapping[str, Any]) -> Iterator[Statement]:
    if brand := value_of(row, "brand"):
        yield Statement("brand", brand, "brand", 0, len(brand), True)


def _of_attributes(row: Mapping[str, Any], vocabulary: Vocabulary) -> Iterator[Statement]:
    for name, value in dict(row.get("attributes") or ()).items():
        if not value:
            continue
        column = f"attributes.{name}"
        role = lexicon("zh" if HAN.search(name) else "en").role(name)
        kind = _KIND_OF_ROLE.get(role, "")
        if role in _MEASURED:
            yield from _amounts(value, column)
        if kind == "size":
            yield from _sizes(value, column)
            continue
        for s in _values(value, column, vocabulary, is_main=True):
            yield s if s.kind == kind and _is_of_role(s, role) else _minor(s)
        if kind in ("gender", "season"):
            yield from _all_of_kind(value, column, kind)


def _is_of_role(statement: Statement, role: str) -> bool:
    return role != "filling" or statement.value == "down"


def _minor(s: Statement) -> Statement:
    return Statement(s.kind, s.value, s.column, s.start, s.end, False)


def _all_of_kind(value: str, column: str, kind: str) -> Iterator[Statement]:
    """Yield every gender for a "unisex" value, every season for an "all seasons" value, else nothing."""
    if value.strip().lower() in listed("unisex" if kind == "gender" else "all_seasons"):
        for each in _GENDERS if kind == "gender" else _SEASONS:
            yield Statement(kind, each, column, 0, len(value), True)


def _of_texts(row: Mapping[str, Any], vocabulary: Vocabulary) -> Iterator[Statement]:
    columns = ["product_type", "title", *(f"tags.{i}" for i in range(len(row.get("tags") or ())))]
    for column in columns:
        if text := value_of(row, column):
            yield from _values(text, column, vocabulary, is_main=True)
    for column in ("title", "package_size"):
        yield from _amounts(value_of(row, column), column)
    for s in _amounts(value_of(row, "description"), "description"):
        yield _minor(s)
    for column in ("category", "description"):
        if text := value_of(row, column):
            yield from _values(text, column, vocabulary, is_main=False)


def _values(text: str, column: str, vocabulary: Vocabulary, is_main: bool) -> Iterator[Statement]:
    """Yield the values that a text names, apart from those that it denies ("without ...")."""
    in_attribute = column.startswith("attributes.")
    for kind, value, start, end, is_own in _named(text[:_LONGEST], vocabulary, in_attribute):
        yield Statement(kind, value, column, start, end, is_main and is_own)
        if kind == "type" and (head := _head(value, vocabulary)):
            yield Statement(kind, head, column, start, end, is_main and is_own)


@lru_cache(maxsize=65_536)
def _named(text: str, vocabulary: Vocabulary, in_attribute: bool) -> tuple[tuple[str, str, int, int, bool], ...]:
    """Return the values that a text names; cached.

    Returns:
        (kind, value, begin, end, whether it is said of the product itself and not of a part of it) for each value.
    """
    phrase = name_values(text, tokens(fold(fold_width(text)), [], vocabulary))
    reading = read(phrase)
    return tuple(
        (kind, value, token.start, token.end, in_attribute or not (at in reading.used or phrase.is_part(at + 1)))
        for at, token in enumerate(phrase.tokens)
        if at not in reading.excluded and not _is_denied(phrase, at)
        for kind, value in (phrase.late[at] if in_attribute else phrase.values[at])
    )


def _is_denied(phrase: Phrase, at: int) -> bool:
    following = phrase.tokens[at + 1] if at + 1 < len(phrase.tokens) else None
    return following is not None and following.text in ("free", "less")


def _head(name: str, vocabulary: Vocabulary) -> str | None:
    """Return the shorter type that a type's name ends in ("down jacket" -> "jacket"); None if there is none."""
    return next((w for i in range(len(name)) if name[i] == " " and (w := name[i + 1 :]) in vocabulary.types), None)


def _sizes(value: str, column: str) -> Iterator[Statement]:
    for m in re.finditer(r"[^,/;、|，；\s][^,/;、|，；]*", value):
        text = m.group().rstrip()
        yield Statement("size", size_value(text), column, m.start(), m.start() + len(text), True)


def _amounts(text: str, column: str) -> Iterator[Statement]:
    for amount, start, stop in _amounts_of(text[:_LONGEST]):
        end = start + len(text[start:stop].rstrip("."))
        yield Statement("amount", amount, column, start, end, True)


@lru_cache(maxsize=65_536)
def _amounts_of(text: str) -> list[tuple[str, int, int]]:
    return amounts(text) if any(c.isdigit() or c in _NUMERALS for c in text) else []


_NUMERALS = frozenset("一二两三四五六七八九十百半½¼¾")
_DENIES_BEFORE = re.compile(
    r"(?:\b(?:without|no|not|non|free of|free from|excluding|zero)[\s-]+(?:(?:any|a|an|added|artificial)\s+)?"
    r"|无|不含|不带|没有|免|未添加|零添加|零|不添加|0)$"
)
_DENIES_AFTER = re.compile(r"[\s-]*(?:free|less)\b")


def phrase_pattern(phrase: str) -> str:
    """Return a regular expression that finds a phrase in a text.

    Latin words match whole, in the singular or the plural; Chinese text matches as it is, with any spaces between
    words.
    """
    words = [w for w in re.split(r"[\s-]+", phrase.lower()) if w]
    if HAN.search(phrase):
        return r"\s*".join(map(re.escape, words))
    patterns = (
        "(?:" + "|".join(re.escape(f) for f in sorted(set(forms(w)), key=len, reverse=True)) + ")" for w in words
    )
    return r"\b" + r"[\s-]+".join(patterns) + r"\b"


def says(text: str, pattern: str) -> tuple[int, int] | None:
    """Return where a text says that the product has a feature.

    Args:
        text: A text of the catalogue.
        pattern: The feature's pattern, from `phrase_pattern`.

    Returns:
        Begin and end of the first mention; None if there is none, or each one denies the feature ("without pockets").
    """
    folded = fold(text)
    for m in re.finditer(pattern, folded):
        if not (
            _DENIES_BEFORE.search(folded[max(0, m.start() - 30) : m.start()]) or _DENIES_AFTER.match(folded, m.end())
        ):
            return m.start(), m.end()
    return None


def texts(row: Mapping[str, Any], columns: Sequence[str] = ("title", "product_type", "description")) -> dict[str, str]:
    """Return the non-empty texts of a row that may name a feature, by column.

    Attributes (`attributes.NAME`) and tags (`tags.NUMBER`) are always included.

    Args:
        row: A row of the catalogue.
        columns: The other columns to include.
    """
    named = [*columns, *(f"attributes.{name}" for name in dict(row.get("attributes") or ()))]
    named += [f"tags.{i}" for i in range(len(row.get("tags") or ()))]
    return {column: text for column in named if (text := value_of(row, column))}
