"""Lower case, capitals, articles and lists of English words, as planned copy writes them."""

from __future__ import annotations

import re

from shopbatch.capabilities.copywriting.patterns import patterns

WITH = re.compile(r"\bw/ ?(?=\w)", re.I)  # to be written as "with "
_CODE = re.compile(r"[A-Z]{1,5}s?|.*\d.*|\w+[A-Z]\w*|Hz|[^A-Za-z]+")  # not lowered: XL, USB, 5G, iPhone
_VOWEL = re.compile(r"[ai]|e(?!u)|o(?!ne\b|nce\b)|u(?!ni[^n]|s[ae]|ti|-)|8|11\b|18\b|hour|honest|heir", re.I)
_SPELT = re.compile(r"[A-Z]{1,5}\d*(?![a-z])")  # abbreviations that are read letter by letter
UNITS = frozenset({"mm", "cm", "m", "km", "g", "kg", "mg", "ml", "cl", "oz", "lb", "lbs", "ft", "min", "mAh"})
_SMALL = frozenset({"a", "an", "and", "by", "for", "from", "in", "of", "on", "or", "the", "to", "with", "x"})


def lowered(text: str) -> str:
    """Return a text in lower case, except abbreviations, codes, units and proper names.

    Example: "Earl Grey Tea USB" -> "Earl Grey tea USB".
    """
    proper = patterns("en").names.proper

    def lower(match: re.Match[str]) -> str:
        """Return a word in lower case unless it is a code or a proper name; for `re.sub`."""
        word = match[0]
        return word if _CODE.fullmatch(word) or word in proper else word.lower()

    return spelt(re.sub(r"[A-Za-zÀ-ÖØ-öø-ɏ0-9][\w'’]*", lower, text))


def spelt(text: str) -> str:
    """Repair words that were put into lower case word by word: "E-reader" -> "e-reader", "earl grey" -> "Earl Grey"."""
    return re.sub(r"\bE-(?=[a-z])", "e-", text).replace("earl grey", "Earl Grey")


def capital(text: str) -> str:
    """Return a text with a capital first letter; names such as iPhone stay."""
    return text if re.match(r"[a-z]+[A-Z\d]", text) else text[:1].upper() + text[1:]


def titled(text: str) -> str:
    """Return a name with the capitals of a title: "Frozen Breakfast Entrees and Sandwiches"."""
    words = text.split(" ")
    units = {n for n in range(1, len(words)) if words[n] in UNITS and words[n - 1][-1:].isdigit()}
    return " ".join(w if n in units or (n and w.lower() in _SMALL) else _capital_parts(w) for n, w in enumerate(words))


def _capital_parts(word: str) -> str:
    """Return a word with a capital first letter, also behind leading signs such as brackets."""
    if word[:1].isupper():
        return word
    return re.sub(r"(?<![^\W_'’])[a-zß-ÿ](?=[\w'’]*)", lambda m: m[0].upper(), word, count=1)


def article(text: str) -> str:
    """Return a noun phrase with "a" or "an", according to its pronunciation: an LED strip, a USB hub."""
    first = text.split(" ")[0]
    letters = re.split(r"[-/]", first)[0]
    if _SPELT.fullmatch(letters) and not first.isdigit() and letters not in patterns("en").names.read:
        return f"{'an' if first[0] in 'AEFHILMNORSX' else 'a'} {text}"
    return f"{'an' if _VOWEL.match(text) else 'a'} {text}"


def listed(phrases: list[str]) -> str:
    """Join phrases into a list: "a, b and c"; "" if there are none."""
    return f"{', '.join(phrases[:-1])} and {phrases[-1]}" if len(phrases) > 1 else "".join(phrases)
