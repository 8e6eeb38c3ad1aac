"""Finds claims that a translation adds, and words that it replaces by a contradicting one (claims.yaml).

An added claim is, for example, "waterproof" where the text says nothing of water. A replaced word is, for example,
"small" where the text says "large".
"""

from __future__ import annotations

import re
from functools import lru_cache

from shopbatch.text.word_files import WordFile, read_words

VERSION = 3
_WHOLE = ("en", "es", "fr")  # languages in which a claim begins at the beginning of a word
Words = dict[str, str]  # {language: pattern}


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
    """Return the first words of a text that match a pattern; "" if none match or there is no pattern for the language.

    Args:
        words: {language: pattern}.
        text: The text.
        language: Its language.
        whole: Whether a match must begin at the beginning of a word (English, Spanish and French only).
    """
    pattern = words.get(language)
    if pattern and whole and language in _WHOLE:  # not German, which has compounds, nor Chinese, which has no blanks
        pattern = rf"(?<!\w)(?:{pattern})"
    m = _pattern(pattern).search(text) if pattern else None
    return m[0] if m else ""


def added_claims(one: str, other: str, languages: tuple[str, str]) -> list[tuple[str, str]]:
    """Return the claims that a translation makes and its text does not, such as "guarantee".

    A claim for which claims.yaml has no pattern in the text's language is not checked.

    Args:
        one: The text.
        other: Its translation.
        languages: ISO 639-1 codes of text and translation.

    Returns:
        (name of the claim in claims.yaml, words of the translation that make it) each.
    """
    added = []
    for name, claim in _file().claims.items():
        backed = languages[0] not in claim.backs or _says(claim.backs, one, languages[0], whole=False)
        if not backed and (said := _says(claim.says, other, languages[1])):
            added.append((name, said))
    return added


def changed_words(one: str, other: str, languages: tuple[str, str]) -> list[tuple[str, str]]:
    """Return the words of a text that its translation replaces by a contradicting word, such as "before" by "after".

    claims.yaml lists groups of words that exclude each other (the group "order": before, after). The word of a group is
    changed if the text has one that the translation lacks, and the translation has another one that the text lacks.

    Args:
        one: The text.
        other: Its translation.
        languages: ISO 639-1 codes of text and translation.

    Returns:
        (name of the group, "<word of the text> became <word of the translation>") for each group with a changed word.
    """
    changed = []
    for group, members in _file().groups.items():
        before = {name: said for name, words in members.items() if (said := _says(words, one, languages[0]))}
        after = {name: said for name, words in members.items() if (said := _says(words, other, languages[1]))}
        if (lost := before.keys() - after.keys()) and (new := after.keys() - before.keys()):
            changed.append((group, f"{before[min(lost)]} became {after[min(new)]}"))
    return changed


def languages() -> tuple[str, ...]:
    """Return the ISO 639-1 codes of the languages for which claims.yaml has patterns."""
    return tuple(next(iter(_file().claims.values())).says)
