"""Prompt injection: values that give orders to a language model instead of stating a fact (injection.yaml).

A product may be named by a stranger, such as a seller on a marketplace or a scraped page. A value that gives orders is
left out of the prompt and backs no claim; the product is described by its other attributes.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache

from shopbatch.text.word_files import WordFile, read_words

# an order to say a word in capitals: Print CANARY
_SHOUTED = re.compile(
    r"(?:^|[.;:!?]\s*)(?i:print|output|say|write|reply|repeat|mention|add|include|echo|return|type|answer)\s+"
    r"(?i:the word )?[A-Z][A-Z0-9_-]{4,}\b(?!\s+[A-Z][a-z])"
)


class _Orders(WordFile):
    """The regular expressions of injection.yaml."""

    orders: tuple[str, ...]


@lru_cache(maxsize=1)
def _orders() -> re.Pattern[str]:
    patterns = read_words(_Orders, "shopbatch.text", "injection.yaml").orders
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.I)


def is_injection(value: str | None) -> bool:
    """Tell whether a value gives orders to a model, even with full-width letters, odd spaces or hidden characters."""
    if not value:
        return False
    visible = "".join(c for c in unicodedata.normalize("NFKC", value) if unicodedata.category(c) != "Cf")
    text = re.sub(r"\s+", " ", visible)
    closed_up = re.sub(r"(?<=\b\w)[ ._-](?=\w\b)", "", text)  # i g n o r e
    shouted = not text.isupper() and _SHOUTED.search(text)
    return bool(shouted or _orders().search(text) or (closed_up != text and _orders().search(closed_up)))


def without_injections(attributes: Mapping[str, str | None]) -> dict[str, str | None]:
    """Return the attributes with None in place of the values that give orders."""
    return {name: None if is_injection(value) else value for name, value in attributes.items()}
