"""The words of names.yaml, and what a single word may be, for `names.py`."""

from __future__ import annotations

import re
from functools import lru_cache

from shopbatch.grounding.brands import known_brands
from shopbatch.text.vocabulary import is_common, is_english, is_noun
from shopbatch.text.word_files import WordFile, read_words

_CODED = re.compile(r"(?:SPF|FPS|LSF|UPF|UV|IPX?)\d+", re.I)  # the letters differ by language
_ABBREVIATED = 4  # letters up to which a word in capitals may be an abbreviation: VAT, IVA, EAN
_GERMAN = re.compile(
    r"(?:ung|heit|keit|schaft|tion|tät|chen|nis|tum|ment|ling|rei|anz|enz|ik|ie|age|en|ern|eln)(?:en|s)?$|[äöüß]", re.I
)


class _Names(WordFile):
    joined: str
    shades: str
    ambiguous: str
    places: str
    brands: str
    start: dict[str, str]
    pairs: dict[str, str]
    quantities: str
    ordinary: dict[str, str]
    introduce: dict[str, str]
    chinese: tuple[str, ...]


@lru_cache(maxsize=1)
def names_file() -> _Names:
    """The words of names.yaml, read once per process."""
    return read_words(_Names, "shopbatch.capabilities.translation.checks", "names.yaml")


@lru_cache(maxsize=8)
def ordinary_words(language: str) -> frozenset[str]:
    """Words with a capital letter that are no names."""
    words = names_file().ordinary
    return frozenset(f"{words['all']} {words.get(language, '')} {names_file().places}".lower().split())


@lru_cache(maxsize=1)
def _more_brands() -> re.Pattern[str]:
    listed = sorted((re.escape(name.strip()) for name in names_file().brands.split(",")), key=len, reverse=True)
    return re.compile(rf"(?<![\w-])(?:{'|'.join(listed)})(?![\w-])")


def listed_brands(text: str) -> list[str]:
    """The brands of the shared list that a text names, without those that are ordinary words."""
    listed = [name for name in known_brands(text) if name.lower() not in names_file().ambiguous.split()]
    return [*listed, *(m[0] for m in _more_brands().finditer(text))]


def is_word(word: str, compounds: bool = False) -> bool:
    """Whether all parts of a word are common: Men's, Sugar-Free, unscented."""
    parts = [p for p in re.split(r"[-'’&.+]", word.lower()) if len(p) > 2 and p not in ordinary_words("en")]
    return all(
        is_common(p, compounds)
        or is_common(re.sub(r"^(?:un|re|non|pre|anti|multi|super|ultra|micro|over|under)", "", p), compounds)
        for p in parts
    )


def is_name(word: str, language: str) -> bool:
    """Whether a word with a capital letter may be a name: it is no ordinary one and no abbreviation."""
    bare = re.sub(r"['’]s?$", "", word).strip(".-&+'’")
    parts = [p for p in re.split(r"[-&.+]", bare.lower()) if p]
    if (
        _CODED.fullmatch(bare)
        or len(bare) < 2
        or bare.lower() in ordinary_words(language)
        or all(p in ordinary_words(language) or (len(p) < 2) for p in parts)
    ):
        return False
    return not (word.isupper() and (is_common(word) or len(set(word)) < 3 or len(bare) <= _ABBREVIATED))


def is_german(word: str) -> bool:
    """Whether a word may be German: common, or made of common words that are not all English."""
    return (
        bool(_GERMAN.search(word))
        or is_noun(word)
        or (is_common(word, compounds=True) and not is_english(word))
        or "-" in word
    )


def holds(text: str, name: str) -> bool:
    """Whether a text has a name, whatever its case, its apostrophes and hyphens."""
    bare, within = (re.sub(r"[\s'’.&-]", "", part.lower()) for part in (re.sub(r"['’]s?$", "", name), text))
    return bare in within or (len(bare) > 4 and bare.removesuffix("s") in within)
