"""Names that a translation lost or invented: brands by lists, other names by their form and place (names.yaml)."""

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
_ABBREVIATED = 4  # letters up to which a word in capitals may be an abbreviation: VAT, IVA, EAN
_COGNATE = 5  # letters that a name of one language shares with that of another
# what stands around an ordinary word that is a name: by Halo, Mellow & Co
_CALLED = re.compile(r"\b(?:from|by)\s$")
_CALLS = re.compile(r"\s& Co\b|[®™]")
_TITLE = 0.6  # share of words with a capital letter from which a line counts as a headline


@lru_cache(maxsize=1)
def _shade() -> re.Pattern[str]:
    return re.compile(rf"\b(?:{names_file().shades})(?:\s(?:n[°ºo.]\.?\s?)?\d*)?[:\s]*$", re.I)


def _first(text: str) -> str:
    """The Chinese brand that a text begins with and that is an ordinary word elsewhere; "" for none."""
    begin = re.match(r"\W*(?:<[^>]*>)?(?:【[^】]*】)?\s*", text)
    rest = text[begin.end() :] if begin else text
    names = (name for name, not_before in names_file().start.items() if re.match(rf"{name}(?!{not_before})", rest))
    return next(names, "")


def name_faults(
    one: str, other: str, languages: tuple[str, str], brands: Sequence[str] = (), kept: str = ""
) -> list[tuple[str, str]]:
    """Return (kind, name) of each name that is lost (lost_name) or new (new_name) in a translation.

    Args:
        one: The text.
        other: Its translation.
        languages: Their languages.
        brands: Brands that are known from the product.
        kept: What else may stand in the translation, such as translations of the glossary.
    """
    faults = [
        ("lost_name", name) for name in names(one, languages[0], brands) if not _kept(other, name) and name not in kept
    ]
    allowed = f"{one} {kept} {' '.join(brands)} {_other_names(one)}"
    new = list(new_names(other, languages[1], allowed, languages[0]))
    listed = {*listed_brands(other)}
    spare = _places(one, other)  # places whose name in the other language no list knows
    faults += [("new_name", name) for place, name in enumerate(new) if name in listed or place >= spare]
    return faults


def _places(one: str, other: str) -> int:
    """How many places a text names that a translation does not name as it does."""
    before, after = (
        {m[0] for m in _WORD.finditer(text) if m[0][0].isupper() and m[0].lower() in _place_words()}
        for text in (one, other)
    )
    return sum(not holds(other, word) for word in before) - sum(not holds(one, word) for word in after)


@lru_cache(maxsize=1)
def _place_words() -> frozenset[str]:
    return frozenset(names_file().places.split())


def _kept(text: str, name: str) -> bool:
    """Whether a text has a name, or what the name is in the other script."""
    return holds(text, name) or any(holds(text, other) for other in _other_names(name).split("\n") if other)


@lru_cache(maxsize=4_096)
def _other_names(text: str) -> str:
    """What the brands of a text are called in the other script, a line each."""
    pairs = [(chinese, latin) for chinese, names in names_file().pairs.items() for latin in names.split("|")]
    other = [latin for chinese, latin in pairs if chinese in text]
    small = f" {re.sub(r'[^a-z0-9]+', ' ', text.lower())} "
    other += [chinese for chinese, latin in pairs if f" {re.sub(r'[^a-z0-9]+', ' ', latin.lower()).strip()} " in small]
    return "\n".join(other)


def _without_atoms(text: str) -> str:
    """A text with a sign of the same length for its tags, placeholders and addresses, which end a sentence."""
    for atom in atoms(text):
        if atom.kind in ("tag", "placeholder", "address"):
            text = text[: atom.start] + "|" * (atom.end - atom.start) + text[atom.end :]
    return text


def names(text: str, language: str, brands: Sequence[str] = ()) -> list[str]:
    """Return the names of a text that a translation keeps."""
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
    """A name without the ordinary words that are joined to it: Sézane-Style; the word itself if no name is left."""
    parts, joined = [part for part in word.split("-") if part], names_file().joined.split()
    if len(parts) < 2 or not any(part.lower() in joined for part in parts[1:]):
        return [word]
    return [part for part in parts if part.lower() not in joined and is_name(part, language) and not is_word(part)]


def _is_title(words: Sequence[re.Match[str]]) -> bool:
    long = [m for m in words if len(m[0]) > 3]
    return len(long) > 1 and sum(m[0][0].isupper() for m in long) > _TITLE * len(long)


def _stands_as_name(m: re.Match[str], line: str, place: int, title: bool, language: str) -> bool:
    word = m[0]
    if not is_name(word, language):
        return False
    if re.search(r"[a-zà-ÿ][A-Z]", word) and "-" not in word:
        return True
    if title and place == 0 and language == "en" and is_english(word):  # Countertop, Underwired
        return False
    if title or _START.search(line[: m.start()]) or language == "de":
        return not is_word(word, compounds=place > 0 or not title)
    return not is_word(word) or bool(_CALLED.search(line[: m.start()]) or _CALLS.match(line[m.end() :]))


def new_names(text: str, language: str, allowed: str, source: str = "en") -> Iterator[str]:
    """Yield names of a translation that what is allowed does not hold."""
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
                continue  # Amalfi, costa Amalfitana
            after = words[place + 1] if place + 1 < len(words) else None
            if after is not None and holds(allowed, after[0]):
                after = None  # a noun before a name that both texts have
            if _introduced(line, m.start(), language, word) or _new_by_place(m, line, title, language, after):
                yield word


def _new_by_place(m: re.Match[str], line: str, title: bool, language: str, after: re.Match[str] | None) -> bool:
    word = m[0]
    if re.search(r"[a-zà-ÿ][A-Z]", word) and "-" not in word:
        return True
    next_to = after is not None and line[m.end() : after.start()] == " " and after[0][0].isupper()
    next_to = next_to and after is not None and is_name(after[0], language) and not after[0].isupper()
    inflected = bool(re.search(r"e[rsnm]?$", word)) and bool(_START.search(line[: m.start()]))
    if language == "de":  # where all nouns have capital letters, two of them side by side are a name and a noun
        return next_to and not inflected and not is_german(word) and word.lower() not in names_file().quantities.split()
    if language != "en" and (title or _START.search(line[: m.start()])):
        return next_to and not is_word(word, compounds=True)
    if title or _START.search(line[: m.start()]):
        return not is_word(word, compounds=True)
    return not (is_word(word) and (language == "en" or not word.isascii()))


def _new_before_hyphen(word: str, allowed: str) -> bool:
    """Whether a German compound begins with a name that is new: Barilla-Fusilli."""
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
    return language in WORD_VALUES and any(True for _ in values_of_words(word.lower(), language))


def _capitalized(text: str) -> list[str]:
    return [m[0] for m in _WORD.finditer(text) if m[0][0].isupper()]


def _introduced(line: str, start: int, language: str, word: str) -> bool:
    """Whether words such as `by` or `der Marke` stand before a name; a German `von` only before an unknown word."""
    pattern = names_file().introduce.get(language)
    if not pattern:
        return False
    if language == "de" and re.search(r"\bvon\s+$", line[:start]):
        return not is_german(word)
    return bool(re.search(rf"(?<!\w)(?:{pattern})\s+[\"“„«]?$", line[:start], re.I))


def _names_something(text: str) -> bool:
    return bool(_LATIN.search(text))
