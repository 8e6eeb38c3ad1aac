"""Small letters, capitals and articles of English words, as planned copy needs them."""

from __future__ import annotations

import re

from shopbatch.capabilities.copywriting.patterns import patterns

_CODE = re.compile(r"[A-Z]{1,5}s?|.*\d.*|\w+[A-Z]\w*|Hz|[^A-Za-z]+")  # XL, USB, 5G, iPhone
_VOWEL = re.compile(r"[ai]|e(?!u)|o(?!ne\b|nce\b)|u(?!ni[^n]|s[ae]|ti|-)|8|11\b|18\b|hour|honest|heir", re.I)
_SPELT = re.compile(r"[A-Z]{1,5}\d*(?![a-z])")  # read letter by letter
UNITS = frozenset({"mm", "cm", "m", "km", "g", "kg", "mg", "ml", "cl", "oz", "lb", "lbs", "ft", "min", "mAh"})
_SMALL = frozenset({"a", "an", "and", "by", "for", "from", "in", "of", "on", "or", "the", "to", "with", "x"})


def lowered(text: str) -> str:
    """Capitalised words in small letters; codes, acronyms, units and words that are always capital stay."""
    proper = patterns("en").names.proper

    def lower(match: re.Match[str]) -> str:
        word = match[0]
        return word if _CODE.fullmatch(word) or word in proper else word.lower()

    return spelt(re.sub(r"[A-Za-zÀ-ÖØ-öø-ɏ0-9][\w'’]*", lower, text))


def spelt(text: str) -> str:
    """Words that were put in small letters one by one, as they are spelt: e-reader, Earl Grey."""
    return re.sub(r"\bE-(?=[a-z])", "e-", text).replace("earl grey", "Earl Grey")


def capital(text: str) -> str:
    """A text with a capital first letter, unless it begins like iPhone."""
    return text if re.match(r"[a-z]+[A-Z\d]", text) else text[:1].upper() + text[1:]


def titled(text: str) -> str:
    """A name in small letters as a title has it: `Frozen Breakfast Entrees and Sandwiches`."""
    words = text.split(" ")
    units = {n for n in range(1, len(words)) if words[n] in UNITS and words[n - 1][-1:].isdigit()}
    return " ".join(w if n in units or (n and w.lower() in _SMALL) else _capital_parts(w) for n, w in enumerate(words))


def _capital_parts(word: str) -> str:
    if word[:1].isupper():
        return word
    return re.sub(r"(?<![^\W_'’])[a-zß-ÿ](?=[\w'’]*)", lambda m: m[0].upper(), word, count=1)


def article(text: str) -> str:
    """A noun phrase with a or an, by how it is spoken: an LED strip, a USB hub."""
    first = text.split(" ")[0]
    letters = re.split(r"[-/]", first)[0]
    if _SPELT.fullmatch(letters) and not first.isdigit() and letters not in patterns("en").names.read:
        return f"{'an' if first[0] in 'AEFHILMNORSX' else 'a'} {text}"
    return f"{'an' if _VOWEL.match(text) else 'a'} {text}"


def listed(phrases: list[str]) -> str:
    """Phrases in a row: `a, b and c`."""
    return f"{', '.join(phrases[:-1])} and {phrases[-1]}" if len(phrases) > 1 else "".join(phrases)
