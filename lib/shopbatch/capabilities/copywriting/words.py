"""Loads the word lists of words.yaml, which the copy's rules and the coverage use."""

from __future__ import annotations

from functools import lru_cache

from shopbatch.text.word_files import WordFile, read_words


class CopyWords(WordFile):
    """The word lists of words.yaml.

    Attributes:
        allowed: Words of the list of harmful words that a shop needs for its products; default of `rules.allowed`.
        common: Words that do not distinguish one attribute value from another, such as "and".
    """

    allowed: tuple[str, ...]
    common: frozenset[str]


@lru_cache(maxsize=1)
def copy_words() -> CopyWords:
    """Load words.yaml; cached."""
    return read_words(CopyWords, "shopbatch.capabilities.copywriting", "words.yaml")
