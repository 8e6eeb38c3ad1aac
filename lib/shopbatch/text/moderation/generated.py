"""Tells whether a generated text contains words that a shop must not use; product copy and ads are checked with it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from shopbatch.text.letters import LATIN
from shopbatch.text.moderation.find import find

_KINDS = frozenset({"insult", "threat", "slander", "profanity", "unfit"})


def is_harmful(text: str, allowed: Iterable[str], facts: str = "") -> bool:
    """Return True if a text insults, threatens, slanders or swears, or uses a word that is unfit for a shop.

    Args:
        text: The generated text.
        allowed: Words that may be used, in small letters.
        facts: The facts of the product. Their words may be used, in singular and plural: olive oil may be called extra
            virgin if its attributes say so.
    """
    found = {_plain(text[f.start : f.end]) for f in find(text, unfit=True) if f.kind in _KINDS} - set(allowed)
    return bool(found) and not all(_is_known(words, _plain(facts)) for words in found)


def _is_known(words: str, facts: str) -> bool:
    forms = {words, f"{words}s", words.removesuffix("s")}
    return any(re.search(rf"(?<![{LATIN}]){re.escape(form)}(?![{LATIN}])", facts) for form in forms)


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).lower()
