"""Harmful words: the word list of the package better-profanity, compared with the words of a text as sets.

The package's own search is not used, because it takes 0.2 s per text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from importlib import resources

_LONGEST = 4  # number of words in the longest phrases that are looked up


@lru_cache(maxsize=1)
def _harmful() -> frozenset[str]:
    """Return the words and phrases of the list, in small letters."""
    lines = resources.files("better_profanity").joinpath("profanity_wordlist.txt").read_text("utf-8").splitlines()
    return frozenset(line.strip().lower() for line in lines if line.strip())


def is_harmful(text: str, allowed: Iterable[str], facts: str = "") -> bool:
    """Tell whether a text holds a word or phrase of the list that is not allowed here.

    Args:
        text: The text.
        allowed: Words and phrases of the list that may be used.
        facts: What is known of the product. Its words may be used, in singular and plural: olive oil may be
            called extra virgin if its attributes say so.
    """
    harmful = (_phrases(text) & _harmful()) - set(allowed)
    known = _phrases(facts) if harmful else set()
    return any(not {phrase, f"{phrase}s", phrase.removesuffix("s")} & known for phrase in harmful)


def _phrases(text: str) -> set[str]:
    """Return all words, and all runs of at most four of them, in small letters."""
    words = re.findall(r"[\w*@$!-]+", unicodedata.normalize("NFKC", text).lower())
    words += [bare for word in words if (bare := word.strip("*@$!-")) != word]
    lengths = range(1, _LONGEST + 1)
    return {" ".join(words[i : i + length]) for length in lengths for i in range(len(words) - length + 1)}
