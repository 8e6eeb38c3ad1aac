"""Compares values and texts in different spellings: 55" and 55 inch, 6x330ml and 6 x 330 ml, 纯棉 and 100%棉.

The planner uses it to avoid stating a fact twice.
"""

from __future__ import annotations

import re
from functools import lru_cache

from shopbatch.capabilities.copywriting.patterns import patterns
from shopbatch.grounding.lexicon import phrase_of, words_of
from shopbatch.text.letters import LATIN

# normal form of units and their spellings; the longer ones first
_UNITS = (
    ("inch", r"inch(?:es)?|in\b(?! )|[\"″”]|''|英寸|寸"), ("kg", r"kg|千克|公斤|kilograms?|kilos?"), ("mm", r"mm|毫米"),
    ("cm", r"cm|厘米|公分"), ("ml", r"ml|毫升"), ("g", rf"grams?\b|g(?![{LATIN}])|克"),
    ("l", rf"lit(?:re|er)s?|l(?![{LATIN}])|升"),
    ("w", rf"watts?|w(?![{LATIN}])|瓦"), ("h", rf"hours?|h(?![{LATIN}])|小时"),
    ("m", rf"met(?:re|er)s?|m(?![{LATIN}])|米"),
)  # fmt: skip
_UNIT = re.compile("|".join(rf"(?P<{name}>(?<=\d)\s*(?:{spelling}))" for name, spelling in _UNITS))
_GAPS = re.compile(r"(?<=\d)\s*[x×*]\s*(?=\d)|(?<=\d)\s+(?=[a-z°%])")
_PURE = re.compile(r"100% ?([\u4e00-\u9fff]+)")


@lru_cache(maxsize=4096)
def _tight(text: str) -> str:
    """Normalise measures for comparison: lower case, no blanks, one spelling per unit ("6 x 330 ml" -> "6x330ml")."""
    text = _UNIT.sub(lambda m: m.lastgroup or "", text.lower())
    return _GAPS.sub(lambda m: "x" if m[0].strip() else "", text)


@lru_cache(maxsize=4096)
def _words(text: str) -> frozenset[str]:
    """Return the stems of the words of a text; cached."""
    return frozenset(phrase_of(text))


def holds(name: str, value: str, language: str) -> bool:
    """Return True if a text already contains a value: all of its words, or the same measure in any spelling.

    Examples: "TV 55 inch" contains `55"`; "Greek olives" contains the origin "Greece".

    Args:
        name: The text, for example a title or a noun.
        value: The value; "" gives False.
        language: One of `lexicon.LANGUAGES`.
    """
    if not value:
        return False
    tight = _tight(value)
    if re.match(r"\d", tight) and not re.fullmatch(r"\d+", tight):
        end = "" if re.search(r"[\u4e00-\u9fff]$", tight) else f"(?![{LATIN}])" if tight[-1].isalpha() else r"(?!\w)"
        if re.search(rf"(?<![\d.]){re.escape(tight)}{end}", _tight(name)):
            return True
    if language == "zh":
        pure = _PURE.fullmatch(value)
        return value.removesuffix("色") in name or bool(pure and re.search(f"[纯全]{pure[1]}", name))
    words = _words(value)
    if not words:
        return False
    of_place = (patterns("en").names.demonyms.get(w, "") for w in name.lower().split())
    return words <= _words(name) or any(words <= _words(place) for place in of_place if place)


def repeats(name: str, sentence: str, language: str) -> bool:
    """Return True if more than half of a sentence's words (Chinese: characters) are in the product's name."""
    if language == "zh":
        return sum(c in name for c in sentence) > len(sentence) / 2
    words = set(phrase_of(sentence))
    return len(words & set(phrase_of(name))) > len(words) / 2


def literally(name: str, product_type: str) -> tuple[int, int] | None:
    """Find a product type in a title, regardless of singular, plural and word breaks.

    Example: "hiking boot" in "Blue Hiking Boots Men" -> (5, 17).

    Args:
        name: The title.
        product_type: The product type; "" is never found.

    Returns:
        Start and end in the title; None if it is not found.
    """
    wanted = _compared(product_type)
    words = words_of(name)
    for first in range(len(words)):
        text = ""
        for last in range(first, min(first + 5, len(words))):
            text += words[last][0].lower().replace("'", "")
            if wanted and wanted in (_compared(name[words[first].start() : words[last].end()]), _compared(text)):
                return words[first].start(), words[last].end()
    return None


def _compared(text: str) -> str:
    """Return the stems of a text's words without blanks ("hiking boots" -> "hikboot"), to compare texts by."""
    return "".join(re.sub("v$", "f", word).rstrip("e") for word in phrase_of(text))
