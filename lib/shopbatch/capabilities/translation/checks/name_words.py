"""Word lists for the check of names (`names.py`): reads names.yaml and judges whether a single word may be a name."""

from __future__ import annotations

import re
from functools import lru_cache

from shopbatch.grounding.brands import known_brands
from shopbatch.text.vocabulary import is_common, is_english, is_noun
from shopbatch.text.word_files import WordFile, read_words

_CODED = re.compile(r"(?:SPF|FPS|LSF|UPF|UV|IPX?)\d+", re.I)  # grades whose letters differ by language (SPF, LSF)
_ABBREVIATED = 4  # a word in capitals with so many letters or fewer may be an abbreviation: VAT, EAN
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
    """Return the word lists of names.yaml; the file is read once per process."""
    return read_words(_Names, "shopbatch.capabilities.translation.checks", "names.yaml")


@lru_cache(maxsize=8)
def ordinary_words(language: str) -> frozenset[str]:
    """Return the words of a language, in lower case, that are not names although they are often capitalised."""
    words = names_file().ordinary
    return frozenset(f"{words['all']} {words.get(language, '')} {names_file().places}".lower().split())


@lru_cache(maxsize=1)
def _more_brands() -> re.Pattern[str]:
    """Return the pattern of the brands that names.yaml adds to the shared list."""
    listed = sorted((re.escape(name.strip()) for name in names_file().brands.split(",")), key=len, reverse=True)
    return re.compile(rf"(?<![\w-])(?:{'|'.join(listed)})(?![\w-])")


def listed_brands(text: str) -> list[str]:
    """Return the known brands that a text contains, except those that are ordinary words as well ("Gap", "Tide")."""
    listed = [name for name in known_brands(text) if name.lower() not in names_file().ambiguous.split()]
    return [*listed, *(m[0] for m in _more_brands().finditer(text))]


def is_word(word: str, compounds: bool = False) -> bool:
    """Return True if all parts of a word are common words ("Men's", "Sugar-Free", "unscented").

    Args:
        word: The word.
        compounds: Whether a part may also be a compound of common words.
    """
    parts = [p for p in re.split(r"[-'’&.+]", word.lower()) if len(p) > 2 and p not in ordinary_words("en")]
    return all(
        is_common(p, compounds)
        or is_common(re.sub(r"^(?:un|re|non|pre|anti|multi|super|ultra|micro|over|under)", "", p), compounds)
        for p in parts
    )


def is_name(word: str, language: str) -> bool:
    """Return True if a capitalised word may be a name: it is no ordinary word and no abbreviation.

    Args:
        word: The word.
        language: ISO 639-1 code of its language.
    """
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
    """Return True if a word may be an ordinary German word rather than a name.

    It may if it has a German ending, umlaut or hyphen, is a known noun, or is common in some language and not English.
    """
    return (
        bool(_GERMAN.search(word))
        or is_noun(word)
        or (is_common(word, compounds=True) and not is_english(word))
        or "-" in word
    )


def holds(text: str, name: str) -> bool:
    """Return True if a text contains a name, ignoring case, apostrophes, hyphens, blanks and a final "s"."""
    bare, within = (re.sub(r"[\s'’.&-]", "", part.lower()) for part in (re.sub(r"['’]s?$", "", name), text))
    return bare in within or (len(bare) > 4 and bare.removesuffix("s") in within)
