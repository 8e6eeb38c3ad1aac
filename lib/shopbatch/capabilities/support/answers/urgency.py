"""What makes a ticket urgent: injury, legal, fraud, threat, person (the wish for one), deadline (urgency.yaml)."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from shopbatch.text.word_files import WordFile, read_words

VERSION = 1  # of what is found, words included
THREAD = "thread"  # a message of a thread that has had answers enough


class _Words(WordFile):
    urgency: dict[str, dict[str, str]]


@lru_cache(maxsize=1)
def _patterns() -> dict[str, re.Pattern[str]]:
    listed = read_words(_Words, "shopbatch.capabilities.support.answers", "urgency.yaml").urgency
    return {
        kind: re.compile("|".join(f"(?:{pattern})" for pattern in by_language.values()), re.I)
        for kind, by_language in listed.items()
    }


@lru_cache(maxsize=4096)
def urgency(text: str) -> str | None:
    """Return the kind of urgency of a text in any language; of several kinds the gravest; None if it is not urgent."""
    read = " ".join(unicodedata.normalize("NFKC", text).replace("’", "'").split())
    return next((kind for kind, pattern in _patterns().items() if pattern.search(read)), None)
