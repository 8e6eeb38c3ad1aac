"""Remarks: clauses that wish for something, compare, or say what a thing is used for, found by rules in YAML."""

from __future__ import annotations

import re
from functools import lru_cache

from shopbatch.capabilities.insights.taxonomy import pattern
from shopbatch.tables.review_aspects import REMARKS
from shopbatch.text.word_files import WordFile, read_words

VERSION = 1  # of the rules in remarks.yaml


class _Rules(WordFile):
    wish: dict[str, str]
    comparison: dict[str, str]
    usage: dict[str, str]


def remarks(text: str) -> list[str]:
    """Return the kinds of remark that a clause is (see `tables.review_aspects.REMARKS`)."""
    return [kind for kind, rule in _rules().items() if rule.search(text)]


@lru_cache(maxsize=1)
def _rules() -> dict[str, re.Pattern[str]]:
    words = read_words(_Rules, __package__, "remarks.yaml")
    return {kind: pattern(getattr(words, kind).values()) for kind in REMARKS}
