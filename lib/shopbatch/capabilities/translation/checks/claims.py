"""Claims that a translation adds, and words that it changes for others of their group (claims.yaml)."""

from __future__ import annotations

import re
from functools import lru_cache

from shopbatch.text.word_files import WordFile, read_words

VERSION = 3
_WHOLE = ("en", "es", "fr")  # languages in which a claim begins with a word
Words = dict[str, str]  # pattern by language


class _Claim(WordFile):
    says: Words
    backs: Words


class _File(WordFile):
    claims: dict[str, _Claim]
    groups: dict[str, dict[str, Words]]


@lru_cache(maxsize=1)
def _file() -> _File:
    return read_words(_File, "shopbatch.capabilities.translation.checks", "claims.yaml")


@lru_cache(maxsize=1024)
def _pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.I)


def _says(words: Words, text: str, language: str, whole: bool = True) -> str:
    """What of a text says this, "" for nothing."""
    pattern = words.get(language)
    if pattern and whole and language in _WHOLE:  # German has compounds, and Chinese no blanks
        pattern = rf"(?<!\w)(?:{pattern})"
    m = _pattern(pattern).search(text) if pattern else None
    return m[0] if m else ""


def added_claims(one: str, other: str, languages: tuple[str, str]) -> list[tuple[str, str]]:
    """Return (claim, words) of each claim that a translation makes and its text does not."""
    added = []
    for name, claim in _file().claims.items():
        backed = languages[0] not in claim.backs or _says(claim.backs, one, languages[0], whole=False)
        if not backed and (said := _says(claim.says, other, languages[1])):
            added.append((name, said))
    return added


def changed_words(one: str, other: str, languages: tuple[str, str]) -> list[tuple[str, str]]:
    """Return (group, words) of each word that a translation changed for another one of its group."""
    changed = []
    for group, members in _file().groups.items():
        before = {name: said for name, words in members.items() if (said := _says(words, one, languages[0]))}
        after = {name: said for name, words in members.items() if (said := _says(words, other, languages[1]))}
        if (lost := before.keys() - after.keys()) and (new := after.keys() - before.keys()):
            changed.append((group, f"{before[min(lost)]} became {after[min(new)]}"))
    return changed


def languages() -> tuple[str, ...]:
    """The languages with lists of claims."""
    return tuple(next(iter(_file().claims.values())).says)
