"""Common words of languages with Latin letters: a word that is none of them may be a name.

common_words.txt has words of all languages at once, which a tokenizer found to be frequent; english_words.txt has those
of a spelling checker, without inflected forms. Both say where they come from.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import resources

VERSION = 1
_ENDINGS = (
    *("s", "es", "ed", "d", "ing", "er", "ers", "or", "ly", "y", "less", "able", "ible", "ful", "ness", "ish", "proof", "free", "wear", "ment", "ation"),
    *("en", "n", "e", "em", "es", "ern", "bar", "lich", "los", "frei", "ung", "ungen", "heit", "keit", "isch", "chen", "in", "innen"),
    *("a", "o", "as", "os", "amente", "mente", "ado", "ada", "ados", "adas", "ción", "dor", "dora", "ble", "bles", "ito", "ita", "illa", "illo", "ante", "al", "ales"),
    *("é", "ée", "és", "ées", "eur", "euse", "age", "ment", "tion", "ette", "ier", "ière", "ant", "ante", "aux", "able", "ables", "ie", "ies"),
)  # fmt: skip
_LEAST, _LEAST_OF_TWO = 3, 4


@lru_cache(maxsize=1)
def _english() -> frozenset[str]:
    lines = resources.files("shopbatch.text").joinpath("english_words.txt").read_text("utf-8").splitlines()
    return frozenset(line for line in lines if not line.startswith("#"))


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
    folder = resources.files("shopbatch.text")
    lines = [folder.joinpath(name).read_text("utf-8").splitlines() for name in ("common_words.txt", "english_words.txt")]
    listed = [line for file in lines for line in file if not line.startswith("#")]
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


def _inflected(word: str, known: frozenset[str]) -> bool:
    if word in known:
        return True
    for ending in _ENDINGS:
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
