"""Reads a product's attributes as facts that can back a claim; `check.py` and `allowed.py` use it.

An attribute is a column of the table `products` under its name, or an entry of the column `attributes` under its name
with the prefix ENTRY (`attributes.colour`). The word lists are in facts.yaml.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from shopbatch.text.fibres import written_out
from shopbatch.text.markup import plain
from shopbatch.text.word_files import WordFile, read_words

ENTRY = "attributes."  # prefix of the entries of the column `attributes`
DESCRIPTION = "description"
NAMES = ("title", "product_type", "category", "department", "division")  # columns with names, most specific first
_CLAUSE = re.compile(r"[^\s.;,。；，][^.;,。；，]*[^\s.;,。；，]")
_COUNTED = {"月": "个月"}  # the form of 月 behind a number of months
# Weight (g); dimensions_cm
_UNIT = re.compile(
    r"[(\[]\s*([^()\[\]\d]{1,12}?)\s*[)\]]\s*$|(?<=[^\W\d_])[_ ](mm|cm|kg|ml|cl|oz|lbs?|mah|wh|g)$", re.I
)


class _Denials(WordFile):
    en: str
    zh: str


class _FactsFile(WordFile):
    """The word lists of facts.yaml; that file explains the fields."""

    holds: frozenset[str]
    fails: frozenset[str]
    denials: _Denials


@lru_cache(maxsize=1)
def _words() -> _FactsFile:
    return read_words(_FactsFile, "shopbatch.grounding", "facts.yaml")


@lru_cache(maxsize=1)
def _denied() -> re.Pattern[str]:
    return re.compile(f"{_words().denials.en}|{_words().denials.zh}", re.I)


def entry_name(attribute: str) -> str:
    """Return the name of an entry of the column `attributes` ("attributes.colour" -> "colour").

    It is "" for the other columns of `products`.
    """
    return attribute[len(ENTRY) :] if attribute.startswith(ENTRY) else ""


def answer(value: str) -> bool | None:
    """Return True for an attribute value such as "yes", False for one such as "no", None for any other value.

    An entry with a yes-or-no value says whether the property in its name applies (`Waterproof: yes`).
    """
    text = plain(value).strip().lower()
    return True if text in _words().holds else False if text in _words().fails else None


def said(attribute: str, value: str | None) -> str:
    """Return the text that an attribute contributes to a product's facts, without HTML; "" for none.

    Usually the text is the attribute's value. An entry of the column `attributes` may hold a yes-or-no value instead:
    with a value such as "yes" the text is the entry's name ("attributes.Waterproof", "yes" -> "Waterproof"), with a
    value such as "no" it is "". A null or blank value gives "".

    Args:
        attribute: Name of a column of `products`, or of an entry with the prefix ENTRY.
        value: The attribute's value.
    """
    text = plain(value).strip() if value else ""
    name = entry_name(attribute)
    if name and text.lower() in _words().holds:
        return plain(name)
    return "" if name and text.lower() in _words().fails else text


def denials(attributes: Mapping[str, str | None]) -> list[str]:
    """Return the clauses of the entries and the description that deny something ("never iron", "not for children")."""
    texts = (said(a, v) for a, v in attributes.items() if a == DESCRIPTION or entry_name(a))
    return [part for text in texts for part in _CLAUSE.findall(text) if _denied().search(part)]


def statements(attributes: Mapping[str, str | None]) -> list[str]:
    """Return the texts of a product's attributes that back claims, without HTML.

    Denied words are removed ("not waterproof" backs nothing). Two kinds of values are added a second time: fibre codes
    written out ("92% PES" -> "92% polyester"), and the value of an entry whose name has a unit, with that unit
    ("Weight (g)", "250" -> "250 g").

    Args:
        attributes: The attributes by name; null and blank values are no facts.
    """
    texts = []
    for attribute, value in attributes.items():
        text = said(attribute, value)
        if text and (attribute == DESCRIPTION or entry_name(attribute)):
            text = _denied().sub(" ", text)
        if text:
            texts.append(text)
            if (fibres := written_out(text)) != text:
                texts.append(fibres)
        if text and (unit := _UNIT.search(entry_name(attribute))):
            texts.append(f"{text} {unit[2] or _COUNTED.get(unit[1], unit[1])}")
    return texts
