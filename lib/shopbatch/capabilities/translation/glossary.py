"""Finds the terms of the shop's glossary (table `glossary`) in texts, with the translations it demands or forbids."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from shopbatch.capabilities.translation.atoms import Atom

Entry = tuple[str | None, str | None]  # (demanded translation, forbidden words separated by |)


class Glossary:
    """All entries of the table `glossary`, arranged so that the terms of a text are found quickly."""

    def __init__(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Index the terms by source language and first two letters.

        Args:
            rows: Rows of the table `glossary`: source_language, target_language, term, translation, forbidden.
        """
        self._terms: dict[str, dict[str, list[str]]] = {}
        self._entries: dict[tuple[str, str], dict[str, Entry]] = {}
        for row in rows:
            term = " ".join(str(row["term"]).lower().split())
            entries = self._entries.setdefault((row["source_language"], term), {})
            entries[row["target_language"]] = (row["translation"], row["forbidden"])
            starts = self._terms.setdefault(row["source_language"], {}).setdefault(term[:2], [])
            if term not in starts:
                starts.append(term)

    def entries(self, text: str, language: str | None) -> str | None:
        """Return the glossary entries of the terms that occur in a text, for the column `glossary` of the text tables.

        Args:
            text: The text.
            language: Its language; None finds nothing.

        Returns:
            JSON {target language: {term as the text writes it: [translation, forbidden]}}; None if the text has no
            term.
        """
        out: dict[str, dict[str, Entry]] = {}
        for start, end in places(text, self._terms.get(language or "", {})):
            term = text[start:end]
            for target, entry in self._entries[language or "", " ".join(term.lower().split())].items():
                out.setdefault(target, {})[term] = entry
        return json.dumps(out, ensure_ascii=False, sort_keys=True) if out else None


def places(text: str, terms: Mapping[str, Sequence[str]]) -> list[tuple[int, int]]:
    """Return the (start, end) positions at which terms stand in a text, in order and without overlaps.

    Of several terms that begin at the same character the longest one is returned. A term matches only whole words,
    except next to Chinese or Japanese characters; case makes no difference. A text whose length changes in lower case
    gives [].

    Args:
        text: The text.
        terms: {first two letters: terms that begin with them}, in lower case.
    """
    lower, out, at = text.lower(), list[tuple[int, int]](), 0
    if len(lower) != len(text):  # a letter has two characters in lower case, so positions would differ
        return []
    while at < len(lower):
        fits = [
            t
            for t in terms.get(lower[at : at + 2], ())
            if lower.startswith(t, at) and _is_whole(lower, at, at + len(t))
        ]
        if fits:
            end = at + max(map(len, fits))
            out.append((at, end))
            at = end
        else:
            at += 1
    return out


def _is_whole(text: str, start: int, end: int) -> bool:
    """Return True if the span text[start:end] does not begin or end inside a word."""
    before, after = text[start - 1 : start], text[end : end + 1]
    return not (_joins(before, text[start]) or _joins(after, text[end - 1]))


def _joins(one: str, other: str) -> bool:
    """Return True if two neighbouring characters belong to one word of a script that separates words by blanks."""
    return bool(one) and one.isalnum() and other.isalnum() and not (one >= "\u2e80" or other >= "\u2e80")


def read_entries(stored: str | None, target: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """Decode the column `glossary` of a text for one target language.

    Args:
        stored: JSON that `Glossary.entries` made; None for a text without terms.
        target: ISO 639-1 code of the target language.

    Returns:
        ({term: translation that is demanded}, words that the translation may not contain).
    """
    entries: dict[str, Entry] = json.loads(stored).get(target, {}) if stored else {}
    demanded = {term: said for term, (said, _) in entries.items() if said}
    forbidden = [word.strip() for _, words in entries.values() if words for word in words.split("|")]
    return demanded, tuple(word for word in forbidden if word)


def atoms_of(text: str, demanded: Mapping[str, str], brands: Sequence[str]) -> list[Atom]:
    """Return the parts of a text whose translation is fixed: glossary terms and brand names.

    Args:
        text: The text.
        demanded: {term: its translation}.
        brands: Brands that stay as the text writes them.
    """
    out = []
    for kind, written in (("glossary", demanded), ("brand", {brand: brand for brand in brands if brand})):
        terms: dict[str, list[str]] = {}
        for term in written:
            terms.setdefault(term.lower()[:2], []).append(term.lower())
        by_lower = {term.lower(): said for term, said in written.items()}
        for start, end in places(text, terms):
            said = text[start:end] if kind == "brand" else by_lower[text[start:end].lower()]
            out.append(Atom(kind, text[start:end], start, end, said))
    return out
