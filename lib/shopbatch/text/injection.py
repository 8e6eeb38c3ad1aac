"""Attributes that are orders to a language model instead of facts: they are told from names by what they ask for.

Who names a product may be a stranger (a marketplace's seller, a scraped page). Such a value is left out of the prompt
and backs no claim; the product is described by its other attributes.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources

import yaml

_SHOUTED = re.compile(
    r"(?:^|[.;:!?]\s*)(?i:print|output|say|write|reply|repeat|mention|add|include|echo|return|type|answer)\s+"
    r"(?i:the word )?[A-Z][A-Z0-9_-]{4,}\b(?!\s+[A-Z][a-z])"
)


@lru_cache(maxsize=1)
def _orders() -> re.Pattern[str]:
    listed = yaml.safe_load(resources.files("shopbatch.text").joinpath("injection.yaml").read_text("utf-8"))
    return re.compile("|".join(f"(?:{p})" for p in listed), re.I)


def hostile(value: str | None) -> bool:
    """Whether a value speaks to a model. Full-width letters, odd blanks and invisible signs do not hide it."""
    if not value:
        return False
    folded = "".join(c for c in unicodedata.normalize("NFKC", value) if unicodedata.category(c) != "Cf")
    plain = re.sub(r"\s+", " ", folded)
    spaced = re.sub(r"(?<=\b\w)[ ._-](?=\w\b)", "", plain)  # i g n o r e
    shouted = not plain.isupper() and _SHOUTED.search(plain)  # Print CANARY: one word in capitals, to be said
    return bool(shouted or _orders().search(plain) or (spaced != plain and _orders().search(spaced)))


def harmless(attributes: Mapping[str, str | None]) -> dict[str, str | None]:
    """The attributes without those that are orders."""
    return {name: None if hostile(value) else value for name, value in attributes.items()}
