"""Finds remarks by rules: clauses that make a wish, compare, or say what a product is used for.

`analyse_reviews` stores them in the column `remarks` of `review_aspects`. The rules are in `remarks.yaml`.
"""

from __future__ import annotations

import re
from functools import lru_cache

from shopbatch.capabilities.insights.taxonomy import pattern
from shopbatch.tables.review_aspects import REMARKS
from shopbatch.text.word_files import WordFile, read_words

VERSION = 1  # of the rules in remarks.yaml


class _Rules(WordFile):
    """The content of `remarks.yaml`: for each kind of remark, the patterns by language."""

    wish: dict[str, str]
    comparison: dict[str, str]
    usage: dict[str, str]


def remarks(text: str) -> list[str]:
    """Return the kinds of remark that a clause makes ("I wish it had pockets" -> ["wish"]); [] for none.

    The kinds are those of `tables.review_aspects.REMARKS`: wish, comparison, usage.
    """
    return [kind for kind, rule in _rules().items() if rule.search(text)]


@lru_cache(maxsize=1)
def _rules() -> dict[str, re.Pattern[str]]:
    """Return one pattern per kind of remark, for all languages, from `remarks.yaml`; it is read once per process."""
    words = read_words(_Rules, __package__, "remarks.yaml")
    return {kind: pattern(getattr(words, kind).values()) for kind in REMARKS}
