"""Assigns a product to a group, such as pet or bakery, by the words of its attributes (data/copy_groups.yaml)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from shopbatch.text.word_files import WordFile, read_words

OTHER = "other"
_ORDER = ("department", "category", "product_type", "title", "division")


class _GroupsFile(WordFile):
    beginnings: dict[str, tuple[str, ...]]
    departments: dict[str, str]
    broad_departments: frozenset[str]


@dataclass(frozen=True)
class _Groups:
    patterns: Mapping[str, re.Pattern[str]]
    departments: Mapping[str, str]
    broad_departments: frozenset[str]


@lru_cache(maxsize=1)
def _groups() -> _Groups:
    listed = read_words(_GroupsFile, "shopbatch.sample", "data/copy_groups.yaml")
    patterns = {
        group: re.compile(r"\b(?:" + "|".join(re.escape(w.rstrip(".")) + r"\b" * w.endswith(".") for w in words) + ")")
        for group, words in listed.beginnings.items()
    }
    return _Groups(patterns, listed.departments, listed.broad_departments)


def group_of(attributes: Mapping[str, str | None]) -> str:
    """Return the group of a product (such as "bakery"); `OTHER` if none of its attributes has a word of a group."""
    return _group(tuple((attributes.get(name) or "").upper() for name in _ORDER))


@lru_cache(maxsize=16384)
def _group(values: tuple[str, ...]) -> str:
    groups = _groups()
    department, category, kind, title, division = values
    if department in groups.departments:
        return groups.departments[department]
    narrow = "" if department in groups.broad_departments else department
    for value in (narrow, category, kind, title, department, division):
        for group, pattern in groups.patterns.items():
            if pattern.search(value):
                return group
    return OTHER
