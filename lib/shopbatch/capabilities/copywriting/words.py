"""The words of words.yaml."""

from __future__ import annotations

from functools import lru_cache

from shopbatch.text.word_files import WordFile, read_words


class CopyWords(WordFile):
    """allowed: harmful words that a shop may use. common: words that do not distinguish one value from another."""

    allowed: tuple[str, ...]
    common: frozenset[str]


@lru_cache(maxsize=1)
def copy_words() -> CopyWords:
    """Read words.yaml."""
    return read_words(CopyWords, "shopbatch.capabilities.copywriting", "words.yaml")
