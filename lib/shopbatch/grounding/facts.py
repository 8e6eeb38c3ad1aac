"""What is known of a product, as texts that can back a claim (facts.yaml).

The attributes of a product are columns of `products` by name. An entry of the column `attributes` is an attribute of
its own; its name begins with ENTRY: `attributes.colour`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from shopbatch.text.fibres import written_out
from shopbatch.text.markup import plain
from shopbatch.text.word_files import WordFile, read_words

ENTRY = "attributes."  # begins the name of an entry of the column `attributes`
DESCRIPTION = "description"
NAMES = ("title", "product_type", "category", "department", "division")  # what names a product, most specific first
_CLAUSE = re.compile(r"[^\s.;,。；，][^.;,。；，]*[^\s.;,。；，]")
_COUNTED = {"月": "个月"}  # months that are counted
_UNIT = re.compile(r"[(\[]\s*([^()\[\]\d]{1,12}?)\s*[)\]]\s*$")  # Weight (g)


class _Denials(WordFile):
    en: str
    zh: str


class _FactsFile(WordFile):
    """The words of facts.yaml, where the fields are explained."""

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
    """The name of an entry of the column `attributes`, such as "colour"; "" for any other attribute."""
    return attribute[len(ENTRY) :] if attribute.startswith(ENTRY) else ""


def answer(value: str) -> bool | None:
    """Whether a value says that its entry's name holds (`yes`) or does not (`no`); None for any other value."""
    text = plain(value).strip().lower()
    return True if text in _words().holds else False if text in _words().fails else None


def said(attribute: str, value: str | None) -> str:
    """What an attribute says in a word or a few: "" for nothing, an entry's own name for `Waterproof: yes`."""
    text = plain(value).strip() if value else ""
    name = entry_name(attribute)
    if name and text.lower() in _words().holds:
        return plain(name)
    return "" if name and text.lower() in _words().fails else text


def denials(attributes: Mapping[str, str | None]) -> list[str]:
    """The clauses of entries and the description that deny something: "never iron", "not for hot drinks"."""
    texts = (said(a, v) for a, v in attributes.items() if a == DESCRIPTION or entry_name(a))
    return [part for text in texts for part in _CLAUSE.findall(text) if _denied().search(part)]


def statements(attributes: Mapping[str, str | None]) -> list[str]:
    """Return the texts that back claims, without entities, tags and what they deny.

    Args:
        attributes: The attributes by name; null and blank ones say nothing.
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
            texts.append(f"{text} {_COUNTED.get(unit[1], unit[1])}")
    return texts
