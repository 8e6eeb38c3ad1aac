"""Common words of languages with Latin letters: a word that is none of them may be a name.

common_words.txt has words of all languages at once, which a tokenizer found to be frequent; english_words.txt has those
of a spelling checker, without inflected forms. Both say where they come from.
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
    """The lines of word lists that are words."""
    folder = resources.files("shopbatch.text")
    every = (line for name in names for line in folder.joinpath(name).read_text("utf-8").splitlines())
    return [line for line in every if not line.startswith("#")]


@lru_cache(maxsize=1)
def _english() -> frozenset[str]:
    return frozenset(_lines("english_words.txt"))


@lru_cache(maxsize=65_536)
def is_english(word: str) -> bool:
    """Tell whether a word is English, or two English words together."""
    word = word.lower()
    known = _english()
    cuts = range(_LEAST_OF_TWO, len(word) - _LEAST + 1)
    return _inflected(word, known) or any(_inflected(word[:i], known) and _inflected(word[i:], known) for i in cuts)


@lru_cache(maxsize=1)
def _words() -> tuple[frozenset[str], frozenset[str]]:
    """Words in small letters; words with a capital letter, in small letters too."""
    listed = _lines("common_words.txt", "english_words.txt")
    return frozenset(w for w in listed if w[0].islower()), frozenset(w.lower() for w in listed if w[0].isupper())


@lru_cache(maxsize=65_536)
def is_common(word: str, compounds: bool = False) -> bool:
    """Tell whether a word is common: itself, or without an ending.

    Args:
        word: A word, in capitals or not.
        compounds: Whether two or three common words make a common one, as in German.
    """
    word = word.lower()
    small, _ = _words()
    if len(word) < _LEAST or _inflected(word, small):
        return True
    return compounds and _compound(word)


@lru_cache(maxsize=65_536)
def is_noun(word: str) -> bool:
    """Tell whether a word is common with a capital letter or without one, as German nouns are; many names are, too."""
    small, capital = _words()
    return _inflected(word.lower(), small | capital) or _compound(word.lower())


def _inflected(word: str, known: frozenset[str]) -> bool:
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
    small, capital = _words()
    every = small | capital
    for cut in range(_LEAST_OF_TWO, len(word) - _LEAST + 1):
        head, tail = word[:cut], word[cut:]
        heads = {head, head.removesuffix("s"), head.removesuffix("n"), head.removesuffix("en"), head + "e"}
        if heads & every and (tail in every or _inflected(tail, every) or (len(tail) > 7 and _compound(tail))):
            return True
    return False
