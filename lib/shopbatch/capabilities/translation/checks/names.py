"""Finds names that a translation lost or invented, for `check.check`.

Brands are recognised by lists. Other names are recognised by their form and position, such as a capital letter inside a
sentence; words that are no names are listed in names.yaml.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from shopbatch.capabilities.translation.atoms import atoms
from shopbatch.capabilities.translation.checks.name_words import (
    holds,
    is_german,
    is_name,
    is_word,
    listed_brands,
    names_file,
    ordinary_words,
)
from shopbatch.text.amount_words import WORD_VALUES, values_of_words
from shopbatch.text.vocabulary import is_common, is_english

VERSION = 3
_WORD = re.compile(r"[^\W\d_](?:[^\W_]|['’&+.-](?=[^\W_]))*", re.UNICODE)
_START = re.compile(r"(?:^|[.!?:;…\n\"“”„«»(\[|•*/–—¿¡]|\d[.)]|\s-)\s*[\"“„«(*#¿¡-]*\s*$")
_LATIN = re.compile(r"(?<![A-Za-z])[A-Za-zÀ-ÖØ-öø-ÿ](?:[A-Za-zÀ-ÖØ-öø-ÿ0-9]|['’&+.-](?=[A-Za-zÀ-ÖØ-öø-ÿ0-9]))+")
_SYLLABLE = (
    r"(?:[bpmfdtnlgkhjqxrzcsyw]|zh|ch|sh)?"
    r"(?:[aeiouv]|a[io]|ei|ou|i[aeu]|iao|iou?|u[aoie]|uai|u[ei]|v?e|er|ue)(?:ng?|r)?"
)
_PINYIN = re.compile(rf"(?:{_SYLLABLE}){{1,4}}")
_ABBREVIATED = 4  # a word in capitals with so many letters or fewer may be an abbreviation: VAT, EAN
_COGNATE = 5  # first letters by which two forms of a name are recognised: Amalfi, Amalfitana
# words and signs around an ordinary word that show that it is a name: by Halo, Mellow & Co
_CALLED = re.compile(r"\b(?:from|by)\s$")
_CALLS = re.compile(r"\s& Co\b|[®™]")
_TITLE = 0.6  # a line with this share of capitalised words counts as a headline


@lru_cache(maxsize=1)
def _shade() -> re.Pattern[str]:
    """Return the pattern of a word such as "colour" or "shade" directly before the name of a colour.

    A capitalised word after it is no invented name, because names of colours may be translated.
    """
    return re.compile(rf"\b(?:{names_file().shades})(?:\s(?:n[°ºo.]\.?\s?)?\d*)?[:\s]*$", re.I)


def _first(text: str) -> str:
    """Return the Chinese brand that a text begins with, if the brand is also an ordinary word; "" for none.

    Such a word counts as a brand only at the beginning of a text.
    """
    begin = re.match(r"\W*(?:<[^>]*>)?(?:【[^】]*】)?\s*", text)
    rest = text[begin.end() :] if begin else text
    names = (name for name, not_before in names_file().start.items() if re.match(rf"{name}(?!{not_before})", rest))
    return next(names, "")


def name_faults(
    one: str, other: str, languages: tuple[str, str], brands: Sequence[str] = (), kept: str = ""
) -> list[tuple[str, str]]:
    """Return (kind, name) of each name that a translation lost ("lost_name") or invented ("new_name").

    Args:
        one: The text.
        other: Its translation.
        languages: ISO 639-1 codes of text and translation.
        brands: Brands known from the product.
        kept: Further text whose names the translation may use or omit, such as the glossary translations.
    """
    faults = [
        ("lost_name", name) for name in names(one, languages[0], brands) if not _kept(other, name) and name not in kept
    ]
    allowed = f"{one} {kept} {' '.join(brands)} {_other_names(one)}"
    new = list(new_names(other, languages[1], allowed, languages[0]))
    listed = {*listed_brands(other)}
    spare = _places(one, other)  # new names that may be place names in the other language
    faults += [("new_name", name) for place, name in enumerate(new) if name in listed or place >= spare]
    return faults


def _places(one: str, other: str) -> int:
    """Return how many unknown new names in a translation `name_faults` accepts as translated place names.

    A place name that no list has cannot be recognised in the translation. So for each listed place name that only the
    text has, one new name is accepted that is no listed brand.

    Returns:
        Number of listed place names that only the text has, minus those that only the translation has; it may be
        negative.
    """
    before, after = (
        {m[0] for m in _WORD.finditer(text) if m[0][0].isupper() and m[0].lower() in _place_words()}
        for text in (one, other)
    )
    return sum(not holds(other, word) for word in before) - sum(not holds(one, word) for word in after)


@lru_cache(maxsize=1)
def _place_words() -> frozenset[str]:
    """Return the words of place names in all languages, in lower case."""
    return frozenset(names_file().places.split())


def _kept(text: str, name: str) -> bool:
    """Return True if a text contains a name, or its spelling in the other script (Latin "Xiaomi", Chinese "小米")."""
    return holds(text, name) or any(holds(text, other) for other in _other_names(name).split("\n") if other)


@lru_cache(maxsize=4_096)
def _other_names(text: str) -> str:
    """Return the other spelling of the brands in a text: Latin for Chinese, Chinese for Latin ("小米手机" -> "Xiaomi").

    The spellings are joined by line breaks; "" if the text has no brand with two spellings.
    """
    pairs = [(chinese, latin) for chinese, names in names_file().pairs.items() for latin in names.split("|")]
    other = [latin for chinese, latin in pairs if chinese in text]
    small = f" {re.sub(r'[^a-z0-9]+', ' ', text.lower())} "
    other += [chinese for chinese, latin in pairs if f" {re.sub(r'[^a-z0-9]+', ' ', latin.lower()).strip()} " in small]
    return "\n".join(other)


def _without_atoms(text: str) -> str:
    """Replace tags, placeholders and URLs by "|" of the same length.

    The "|" makes the next word count as the first of a sentence, whose capital letter says nothing.
    """
    for atom in atoms(text):
        if atom.kind in ("tag", "placeholder", "address"):
            text = text[: atom.start] + "|" * (atom.end - atom.start) + text[atom.end :]
    return text


def names(text: str, language: str, brands: Sequence[str] = ()) -> list[str]:
    """Return the names in a text that its translation has to keep, without repetitions.

    Args:
        text: The text.
        language: ISO 639-1 code of its language.
        brands: Brands known from the product; only those that the text contains are returned.
    """
    out = [brand for brand in brands if brand and holds(text, brand)]
    out += [name for name in listed_brands(text) if name.isascii() and name.lower() not in ordinary_words(language)]
    if language == "zh":
        out += [m[0] for m in _LATIN.finditer(_without_atoms(text)) if is_name(m[0], "en")]
        out += [name for name in names_file().pairs if name in text and name not in names_file().ambiguous.split()]
        out += [first for first in (_first(text),) if first]
        return list(dict.fromkeys(out))
    for line in _without_atoms(text).split("\n"):
        words = list(_WORD.finditer(line))
        title = _is_title(words)
        for place, m in enumerate(words):
            if m[0][0].isupper() and _stands_as_name(m, line, place, title, language):
                out += _core(m[0], language)
    return list(dict.fromkeys(out))


def _core(word: str, language: str) -> list[str]:
    """Return the names in a hyphenated word, without ordinary words joined to them ("Sézane-Style" -> ["Sézane"]).

    A word without such a joined ordinary word is returned as it is.
    """
    parts, joined = [part for part in word.split("-") if part], names_file().joined.split()
    if len(parts) < 2 or not any(part.lower() in joined for part in parts[1:]):
        return [word]
    return [part for part in parts if part.lower() not in joined and is_name(part, language) and not is_word(part)]


def _is_title(words: Sequence[re.Match[str]]) -> bool:
    """Return True if most longer words of a line have a capital letter, as in a headline."""
    long = [m for m in words if len(m[0]) > 3]
    return len(long) > 1 and sum(m[0][0].isupper() for m in long) > _TITLE * len(long)


def _stands_as_name(m: re.Match[str], line: str, place: int, title: bool, language: str) -> bool:
    """Return True if a capitalised word of a text is a name, judged by the word and its position in the line.

    Args:
        m: The word's match in the line.
        line: The line.
        place: Index of the word in the line, from 0.
        title: Whether the line is a headline, where capitals say nothing.
        language: ISO 639-1 code.
    """
    word = m[0]
    if not is_name(word, language):
        return False
    if re.search(r"[a-zà-ÿ][A-Z]", word) and "-" not in word:
        return True
    if title and place == 0 and language == "en" and is_english(word):  # first word: Countertop
        return False
    if title or _START.search(line[: m.start()]) or language == "de":
        return not is_word(word, compounds=place > 0 or not title)
    return not is_word(word) or bool(_CALLED.search(line[: m.start()]) or _CALLS.match(line[m.end() :]))


def new_names(text: str, language: str, allowed: str, source: str = "en") -> Iterator[str]:
    """Yield the names in a translation that the allowed text does not contain.

    Args:
        text: The translation.
        language: ISO 639-1 code of the translation.
        allowed: The text and everything else whose names the translation may use.
        source: ISO 639-1 code of the text; from Chinese ("zh"), names in pinyin are accepted.
    """
    brands = [name for name in listed_brands(text) if not holds(allowed, name)]
    has_brand = bool(listed_brands(allowed))
    yield from (n for n in brands if (n.isascii() or not has_brand) and n.lower() not in ordinary_words(language))
    if language == "zh":
        for m in _LATIN.finditer(_without_atoms(text)):
            if len(m[0]) > 1 and is_name(m[0], "zh") and not holds(allowed, m[0]):
                yield m[0]
        yield from (
            name
            for name in names_file().pairs
            if name in text and name not in allowed and name not in names_file().ambiguous.split()
        )
        for pattern in names_file().chinese:
            for m in re.finditer(pattern, text):
                if not allowed.count(m[0]) and not _names_something(allowed):
                    yield m[0]
        return
    chinese = source == "zh"
    for line in _without_atoms(text).split("\n"):
        words = list(_WORD.finditer(line))
        title = _is_title(words)
        for place, m in enumerate(words):
            word = m[0]
            if language == "de" and _new_before_hyphen(word, allowed):
                yield word
                continue
            if _shade().search(line[: m.start()]) or _is_number(word, language):
                continue
            if not word[0].isupper() or not is_name(word, language) or holds(allowed, re.sub(r"['’]s?$", "", word)):
                continue
            if chinese and all(
                _PINYIN.fullmatch(part) or is_common(part) for part in re.split(r"[-'’]", word.lower()) if part
            ):
                continue
            if len(word) >= _COGNATE and any(
                w[:_COGNATE].lower() == word[:_COGNATE].lower() for w in _capitalized(allowed)
            ):
                continue  # the same name in another form: Amalfi, costa Amalfitana
            after = words[place + 1] if place + 1 < len(words) else None
            if after is not None and holds(allowed, after[0]):
                after = None  # the word is then a noun before a name that the text has too
            if _introduced(line, m.start(), language, word) or _new_by_place(m, line, title, language, after):
                yield word


def _new_by_place(m: re.Match[str], line: str, title: bool, language: str, after: re.Match[str] | None) -> bool:
    """Return True if a capitalised word of a translation is a name, judged by the word and its position in the line.

    The rule is stricter than `_stands_as_name`: if an ordinary word were taken for an invented name, a good translation
    would be refused.

    Args:
        m: The word's match in the line.
        line: The line.
        title: Whether the line is a headline, where capitals say nothing.
        language: ISO 639-1 code.
        after: Match of the next word; None if there is none or if it is a name of the text.
    """
    word = m[0]
    if re.search(r"[a-zà-ÿ][A-Z]", word) and "-" not in word:
        return True
    next_to = after is not None and line[m.end() : after.start()] == " " and after[0][0].isupper()
    next_to = next_to and after is not None and is_name(after[0], language) and not after[0].isupper()
    inflected = bool(re.search(r"e[rsnm]?$", word)) and bool(_START.search(line[: m.start()]))
    if language == "de":  # all nouns are capitalised; a name is recognised by the noun beside it
        return next_to and not inflected and not is_german(word) and word.lower() not in names_file().quantities.split()
    if language != "en" and (title or _START.search(line[: m.start()])):
        return next_to and not is_word(word, compounds=True)
    if title or _START.search(line[: m.start()]):
        return not is_word(word, compounds=True)
    return not (is_word(word) and (language == "en" or not word.isascii()))


def _new_before_hyphen(word: str, allowed: str) -> bool:
    """Return True if a German compound begins with a name that is not in the allowed text ("Barilla-Fusilli")."""
    first, _, rest = word.partition("-")
    return (
        bool(rest)
        and rest[0].isupper()
        and len(first) > _ABBREVIATED
        and first[0].isupper()
        and first[1:].islower()
        and first.lower() not in names_file().quantities.split()
        and not (is_common(first, compounds=True) or is_english(first) or is_german(first))
        and not holds(allowed, first)
        and not any(w[:_ABBREVIATED].lower() == first[:_ABBREVIATED].lower() for w in _LATIN.findall(allowed))
    )


def _is_number(word: str, language: str) -> bool:
    """Return True if a word is a number in words, such as "Three"."""
    return language in WORD_VALUES and any(True for _ in values_of_words(word.lower(), language))


def _capitalized(text: str) -> list[str]:
    return [m[0] for m in _WORD.finditer(text) if m[0][0].isupper()]


def _introduced(line: str, start: int, language: str, word: str) -> bool:
    """Return True if the words before a position announce a name, such as "by" or "der Marke".

    A German "von" announces a name only before a word that is no ordinary German word.

    Args:
        line: The line.
        start: Position of the word in it.
        language: ISO 639-1 code.
        word: The word.
    """
    pattern = names_file().introduce.get(language)
    if not pattern:
        return False
    if language == "de" and re.search(r"\bvon\s+$", line[:start]):
        return not is_german(word)
    return bool(re.search(rf"(?<!\w)(?:{pattern})\s+[\"“„«]?$", line[:start], re.I))


def _names_something(text: str) -> bool:
    """Return True if a text has a word of two or more Latin letters, which in a Chinese text is probably a brand."""
    return bool(_LATIN.search(text))
