"""The shop's glossary: which of its terms a text holds, and what a translation says for them or may not say."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from shopbatch.capabilities.translation.atoms import Atom

Entry = tuple[str | None, str | None]  # translation, forbidden


class Glossary:
    """The terms of all pairs of languages, found in texts by their first letters."""

    def __init__(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Take rows of the table `glossary`."""
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
        """Return what is said of the terms of a text, as JSON: language -> term -> entry; None for nothing."""
        out: dict[str, dict[str, Entry]] = {}
        for start, end in places(text, self._terms.get(language or "", {})):
            term = text[start:end]
            for target, entry in self._entries[language or "", " ".join(term.lower().split())].items():
                out.setdefault(target, {})[term] = entry
        return json.dumps(out, ensure_ascii=False, sort_keys=True) if out else None


def places(text: str, terms: Mapping[str, Sequence[str]]) -> list[tuple[int, int]]:
    """Return where terms stand in a text, the longest first, none inside another.

    Args:
        text: The text.
        terms: Terms in small letters by their first two letters.
    """
    lower, out, at = text.lower(), list[tuple[int, int]](), 0
    if len(lower) != len(text):  # a letter whose small form has two characters
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
    """Whether no word of an alphabet is cut."""
    before, after = text[start - 1 : start], text[end : end + 1]
    return not (_joins(before, text[start]) or _joins(after, text[end - 1]))


def _joins(one: str, other: str) -> bool:
    return bool(one) and one.isalnum() and other.isalnum() and not (one >= "\u2e80" or other >= "\u2e80")


def read_entries(stored: str | None, target: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the demanded translation of each term, and what is forbidden, for one language."""
    entries: dict[str, Entry] = json.loads(stored).get(target, {}) if stored else {}
    demanded = {term: said for term, (said, _) in entries.items() if said}
    forbidden = [word.strip() for _, words in entries.values() if words for word in words.split("|")]
    return demanded, tuple(word for word in forbidden if word)


def atoms_of(text: str, demanded: Mapping[str, str], brands: Sequence[str]) -> list[Atom]:
    """Return the parts of a text that the glossary or a brand's name fixes."""
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
