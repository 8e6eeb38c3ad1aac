"""Recognises urgent tickets, which a person must answer, by patterns in `urgency.yaml`.

The kinds are injury, legal, fraud, threat, person (the customer asks for a person) and deadline.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from shopbatch.text.word_files import WordFile, read_words

VERSION = 1  # of the patterns, urgency.yaml included
THREAD = "thread"  # kind of urgency: a late message of a thread (setting `thread_messages`)


class _Words(WordFile):
    """The content of `urgency.yaml`: patterns by kind of urgency and language, the gravest kind first."""

    urgency: dict[str, dict[str, str]]


@lru_cache(maxsize=1)
def _patterns() -> dict[str, re.Pattern[str]]:
    """Return one pattern per kind of urgency, for all languages, from `urgency.yaml`; it is read once per process."""
    listed = read_words(_Words, "shopbatch.capabilities.support.answers", "urgency.yaml").urgency
    return {
        kind: re.compile("|".join(f"(?:{pattern})" for pattern in by_language.values()), re.I)
        for kind, by_language in listed.items()
    }


@lru_cache(maxsize=4096)
def urgency(text: str) -> str | None:
    """Return the kind of urgency of a ticket's text in any language, such as `fraud`; None if it is not urgent.

    Of several kinds the gravest is returned.
    """
    read = " ".join(unicodedata.normalize("NFKC", text).replace("’", "'").split())
    return next((kind for kind, pattern in _patterns().items() if pattern.search(read)), None)
