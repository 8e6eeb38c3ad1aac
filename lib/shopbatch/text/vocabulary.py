"""Tells common words from possible names in languages with Latin letters: a word that is in no list may be a name.

common_words.txt has frequent words of all these languages together; english_words.txt has the words of a spelling
checker, without inflected forms. Both files state their sources. The translation checks use it.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import resources

from shopbatch.text.word_files import WordFile, read_words

VERSION = 1
_LEAST, _LEAST_OF_TWO = 3, 4


class _Endings(WordFile):
    endings: str


@lru_cache(maxsize=1)
def _endings() -> tuple[str, ...]:
    return tuple(read_words(_Endings, "shopbatch.text", "endings.yaml").endings.split())


def _lines(*names: str) -> list[str]:
    """Return the words of some word lists, one per line; comment lines are left out."""
    folder = resources.files("shopbatch.text")
    every = (line for name in names for line in folder.joinpath(name).read_text("utf-8").splitlines())
    return [line for line in every if not line.startswith("#")]


@lru_cache(maxsize=1)
def _english() -> frozenset[str]:
    return frozenset(_lines("english_words.txt"))


@lru_cache(maxsize=65_536)
def is_english(word: str) -> bool:
    """Return True if a word is English, possibly inflected, or a compound of two English words ("hairdryer")."""
    word = word.lower()
    known = _english()
    cuts = range(_LEAST_OF_TWO, len(word) - _LEAST + 1)
    return _inflected(word, known) or any(_inflected(word[:i], known) and _inflected(word[i:], known) for i in cuts)


@lru_cache(maxsize=1)
def _words() -> tuple[frozenset[str], frozenset[str]]:
    """Return the words of both files, in lower case, as two sets: those listed in lower case or with a capital."""
    listed = _lines("common_words.txt", "english_words.txt")
    return frozenset(w for w in listed if w[0].islower()), frozenset(w.lower() for w in listed if w[0].isupper())


@lru_cache(maxsize=65_536)
def is_common(word: str, compounds: bool = False) -> bool:
    """Return True if a word is common in any language of the lists, as it is or without an ending.

    Words of fewer than 3 letters always count as common.

    Args:
        word: A word, in capitals or not.
        compounds: Whether a compound of two or three common words counts too, as in German.
    """
    word = word.lower()
    small, _ = _words()
    if len(word) < _LEAST or _inflected(word, small):
        return True
    return compounds and _compound(word)


@lru_cache(maxsize=65_536)
def is_noun(word: str) -> bool:
    """Return True if a word, or each part of a compound, is listed in any case.

    Unlike `is_common` it also accepts words that are listed only with a capital: German nouns, but also many names.
    """
    small, capital = _words()
    return _inflected(word.lower(), small | capital) or _compound(word.lower())


def _inflected(word: str, known: frozenset[str]) -> bool:
    """Return True if a word or its stem without an ending is in `known`."""
    if word in known:
        return True
    for ending in _endings():
        if not word.endswith(ending) or len(word) - len(ending) < _LEAST:
            continue
        stem = word[: -len(ending)]
        if stem in known or stem + "e" in known or stem + "y" in known:
            return True
        if len(stem) > _LEAST and stem[-1] == stem[-2] and stem[:-1] in known:  # dimmable
            return True
    return False


@lru_cache(maxsize=65_536)
def _compound(word: str) -> bool:
    """Return True if a word is made of two or three common words."""
    small, capital = _words()
    every = small | capital
    for cut in range(_LEAST_OF_TWO, len(word) - _LEAST + 1):
        head, tail = word[:cut], word[cut:]
        heads = {head, head.removesuffix("s"), head.removesuffix("n"), head.removesuffix("en"), head + "e"}
        if heads & every and (tail in every or _inflected(tail, every) or (len(tail) > 7 and _compound(tail))):
            return True
    return False
