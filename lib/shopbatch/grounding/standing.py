"""Tells from the position of English words in a text whether they are stated of the product itself.

"jeans" may be named beside any shirt ("wear it with jeans"), but a text must not call a shirt jeans or say that jeans
come with it. `allowed.py` calls this module for nouns of other products, and for words that are allowed only in
descriptions of a product's use.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_SENTENCE_END = re.compile(r"[.!?;:\n](?!\d)")
# words before something that the product has or that comes with it
_HAS = re.compile(
    r"\b(?:(?:comes?|coming|arrives?|sold|packed|supplied|delivered|shipped|equipped|fitted|provided|complete|set|kit"
    r"|pack|bundle)"
    r" (?:\w+ )?with|includ(?:es?|ed|ing)|featur(?:es?|ing)|has|have|having|boasts?|offers?|contains?|plus|gets?"
    r"|made (?:of|from|in|with)|spare|extra|bonus|matching|built-in|integrated|removable|detachable|adjustable"
    r"|(?P<beside>with (?:an?|its|the|one|two|three|four)))\b",
    re.I,
)
# words that begin a description of the product's use
_USE = re.compile(
    r"\b(?:for|to|when|while|if|so|until|before|after|because|where|on|into|over|at|as|you|your|or wear|and wear)\b",
    re.I,
)
_TOGETHER = re.compile(
    r"\b(?:wear|pair|match|combin|team|style|go(?:es)?|serv|enjoy|eat|drink|mix|use|put|place|layer|fill|brew|cook|bake"
    r"|sit|relax|settle|curl|start|finish|end|begin|top|spread|season|toss|dress|stir|blend|write|play|clean|wipe|wash|apply)\w*\b",
    re.I,
)
_INCLUDED = re.compile(
    r"\s*(?:\w+\s+){0,2}?(?:is |are )?(?:included|in the (?:box|pack|set|package|kit)|comes? with)\b", re.I
)
_DOES = re.compile(r"(?:^|[\s,])(?:it|that|which|who|itself|also|always|never)\s+$", re.I)
_HEAD = re.compile(
    r"\s*(?P<first>[\w’'-]+) (?:(?!(?:with|and|of|for|in|on|to|or|under|over|your|from|is)\s)[\w’'-]+ ){0,3}"
)
_COUNTED = frozenset(("a", "an", "one", "two", "three", "four", "five", "six"))
_THIS = re.compile(
    r"(?:^|\s)(?P<this>[\w’'&-]+)\s+(?:(?!(?:with|and|of|for|in|on|to|or|under|over)\s)[\w’'-]+\s+){0,3}$", re.I
)


def named(text: str, start: int, brand: tuple[str, ...]) -> bool:
    """Return True if the text uses the noun at `start` as the product's name: behind "this", "these" or the brand.

    An example is "bowl" in "this navy bowl".

    Args:
        text: The text.
        start: Start of the noun, in characters.
        brand: Last word of the brand in small letters, as a tuple of one; () if unknown.
    """
    before = _THIS.search(text[max(0, start - 80) : start])
    return before is not None and before["this"].lower() in ("this", "these", *brand)


def heads(text: str, start: int, describes: Callable[[str], bool]) -> bool:
    """Return True if the noun at `start` is the subject that opens its sentence ("Four porcelain bowls in white").

    Args:
        text: The text.
        start: Start of the noun, in characters.
        describes: Function that returns True for a word that may describe products (a colour, a fact).
    """
    before = _HEAD.fullmatch(_SENTENCE_END.split(text[:start])[-1])
    return before is not None and (before["first"].lower() in _COUNTED or describes(before["first"]))


def owned(text: str, start: int, end: int) -> bool:
    """Return True if the text states the words at [start, end) of the product itself.

    That is: as a thing that the product has, that comes with the product, or that the product does.
    """
    before = _SENTENCE_END.split(text[max(0, start - 90) : start])[-1]
    after = _SENTENCE_END.split(text[end : end + 40])[0]
    word = text[start:end]
    has = list(_HAS.finditer(before))
    if has and not _USE.search(before[has[-1].end() :]):
        beside = has[-1]["beside"] and _TOGETHER.search(before[: has[-1].start()])
        if not beside:
            return True
    if _INCLUDED.match(after):
        return True
    return bool(_DOES.search(before)) and word.endswith("s") and not word.endswith("ss")
