"""Whether a text that a model wrote for a shop holds words that a shop must not use."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from shopbatch.text.letters import LATIN
from shopbatch.text.moderation.find import find

_KINDS = frozenset({"insult", "threat", "slander", "profanity", "unfit"})


def is_harmful(text: str, allowed: Iterable[str], facts: str = "") -> bool:
    """Tell whether a text insults, threatens, swears, or says a word that is unfit for a shop and is not allowed here.

    Args:
        text: The text.
        allowed: Words that may be used, in small letters.
        facts: What is known of the product. Its words may be used, in singular and plural: olive oil may be called
            extra virgin if its attributes say so.
    """
    found = {_plain(text[f.start : f.end]) for f in find(text, unfit=True) if f.kind in _KINDS} - set(allowed)
    return bool(found) and not all(_is_known(words, _plain(facts)) for words in found)


def _is_known(words: str, facts: str) -> bool:
    forms = {words, f"{words}s", words.removesuffix("s")}
    return any(re.search(rf"(?<![{LATIN}]){re.escape(form)}(?![{LATIN}])", facts) for form in forms)


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).lower()
