"""Names that a translation lost or invented: brands by lists, other names by their form and place (names.yaml)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from shopbatch.grounding.brands import known_brands
from shopbatch.text.vocabulary import is_common
from shopbatch.text.word_files import WordFile, read_words

VERSION = 1
_WORD = re.compile(r"[^\W\d_](?:[^\W_]|['’&+.-](?=[^\W_]))*", re.UNICODE)
_START = re.compile(r"(?:^|[.!?:;…\n\"“”„«»(\[|•*/–—¿¡]|\d[.)])\s*[\"“„«(*#¿¡-]*\s*$")
_LATIN = re.compile(r"(?<![A-Za-z])[A-Za-zÀ-ÿ](?:[A-Za-zÀ-ÿ0-9]|['’&+.-](?=[A-Za-zÀ-ÿ0-9]))+")
_TITLE = 0.6  # share of words with a capital letter from which a line counts as a headline


class _Names(WordFile):
    ambiguous: str
    ordinary: dict[str, str]
    introduce: dict[str, str]
    chinese: tuple[str, ...]


@lru_cache(maxsize=1)
def _file() -> _Names:
    return read_words(_Names, "shopbatch.capabilities.translation.checks", "names.yaml")


@lru_cache(maxsize=8)
def _ordinary(language: str) -> frozenset[str]:
    words = _file().ordinary
    return frozenset(f"{words['all']} {words.get(language, '')}".lower().split())


def name_faults(one: str, other: str, languages: tuple[str, str], brands: Sequence[str] = (), kept: str = "") -> list[tuple[str, str]]:
    """Return (kind, name) of each name that is lost (lost_name) or new (new_name) in a translation.

    Args:
        one: The text.
        other: Its translation.
        languages: Their languages.
        brands: Brands that are known from the product.
        kept: What else may stand in the translation, such as translations of the glossary.
    """
    faults = [("lost_name", name) for name in names(one, languages[0], brands) if not _holds(other, name) and name not in kept]
    allowed = f"{one} {kept} {' '.join(brands)}"
    faults += [("new_name", name) for name in new_names(other, languages[1], allowed)]
    return faults


def _listed(text: str) -> list[str]:
    """The brands of the shared list that a text names, without those that are ordinary words."""
    return [name for name in known_brands(text) if name.lower() not in _file().ambiguous.split()]


def names(text: str, language: str, brands: Sequence[str] = ()) -> list[str]:
    """Return the names of a text that a translation keeps."""
    out = [brand for brand in brands if brand and _holds(text, brand)]
    out += [name for name in _listed(text) if name.isascii() and name.lower() not in _ordinary(language)]
    if language == "zh":
        out += [m[0] for m in _LATIN.finditer(text) if _is_name(m[0], "en")]
        return list(dict.fromkeys(out))
    for line in text.split("\n"):
        found_words = list(_WORD.finditer(line))
        title = _is_title(found_words)
        for place, m in enumerate(found_words):
            if m[0][0].isupper() and _stands_as_name(m, line, place, title, language):
                out.append(m[0])
    return list(dict.fromkeys(out))


def _is_title(words: Sequence[re.Match[str]]) -> bool:
    long = [m for m in words if len(m[0]) > 3]
    return len(long) > 1 and sum(m[0][0].isupper() for m in long) > _TITLE * len(long)


def _stands_as_name(m: re.Match[str], line: str, place: int, title: bool, language: str) -> bool:
    word = m[0]
    if not _is_name(word, language):
        return False
    if re.search(r"[a-zà-ÿ][A-Z]", word):
        return True
    if title:
        return not is_common(word) and (place == 0 or not is_common(word, compounds=True))
    if _START.search(line[: m.start()]):
        return not is_common(word, compounds=True) or (place == 0 and not is_common(word))
    return language != "de" or not is_common(word, compounds=True)


def _is_name(word: str, language: str) -> bool:
    bare = re.sub(r"['’]s?$", "", word).strip(".-&+'’")
    parts = [p for p in re.split(r"[-&.+]", bare.lower()) if p]
    if len(bare) < 2 or all(p in _ordinary(language) or (len(p) < 2) for p in parts):
        return False
    return not (word.isupper() and is_common(word))


def new_names(text: str, language: str, allowed: str) -> Iterator[str]:
    """Yield names of a translation that what is allowed does not hold."""
    brands = [name for name in _listed(text) if not _holds(allowed, name)]
    has_brand = bool(_listed(allowed))
    yield from (name for name in brands if name.isascii() or not has_brand)
    if language == "zh":
        for m in _LATIN.finditer(text):
            if len(m[0]) > 1 and _is_name(m[0], "zh") and not _holds(allowed, m[0]):
                yield m[0]
        for pattern in _file().chinese:
            for m in re.finditer(pattern, text):
                if not allowed.count(m[0]) and not _names_something(allowed):
                    yield m[0]
        return
    for line in text.split("\n"):
        words = list(_WORD.finditer(line))
        title = _is_title(words)
        for place, m in enumerate(words):
            word = m[0]
            if not word[0].isupper() or not _is_name(word, language) or _holds(allowed, re.sub(r"['’]s?$", "", word)):
                continue
            if _introduced(line, m.start(), language) or (_new_by_place(m, line, place, title, language)):
                yield word


def _new_by_place(m: re.Match[str], line: str, place: int, title: bool, language: str) -> bool:
    word = m[0]
    if re.search(r"[a-zà-ÿ][A-Z]", word) and "-" not in word:
        return True
    starts = bool(_START.search(line[: m.start()]))
    if language == "de":
        return not is_common(word, compounds=True) and _looks_invented(word)
    if starts or title:
        return not is_common(word, compounds=True)
    return True


def _looks_invented(word: str) -> bool:
    """Whether a capitalised German word ends as few German nouns do."""
    return bool(re.search(r"(?:[aoixz]|[aeiou]r[ao]|us|ix|ex|yn|on|ia|io|eo|ly|fy)$", word.lower())) and not re.search(
        r"(?:tion|sion|holz|satz|schutz|netz|platz|salz|pilz|herz|filz|putz|sofa|auto|büro|foto|video|radio|mais|bus|plus|aus|haus|bonus|polyester)$", word.lower()
    )


def _introduced(line: str, start: int, language: str) -> bool:
    """Whether words such as `by` or `der Marke` stand before a name."""
    pattern = _file().introduce.get(language)
    return bool(pattern and re.search(rf"(?:{pattern})\s+[\"“„«]?$", line[:start], re.I))


def _names_something(text: str) -> bool:
    return bool(_LATIN.search(text))


def _holds(text: str, name: str) -> bool:
    """Whether a text has a name, whatever its case, its apostrophes and hyphens."""
    bare, within = (re.sub(r"[\s'’.&-]", "", part.lower()) for part in (re.sub(r"['’]s?$", "", name), text))
    return bare in within or (len(bare) > 4 and bare.removesuffix("s") in within)
