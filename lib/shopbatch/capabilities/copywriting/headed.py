"""Finds the product word (such as "jacket") in an English title if the product has no product type.

Product words are the names of products in the lexicon. Materials, colours and packaging words are not taken for the
product. Used by product_en.py.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from shopbatch.capabilities.copywriting.goods import EDIBLE
from shopbatch.capabilities.copywriting.patterns import patterns
from shopbatch.capabilities.copywriting.titles import before_bound
from shopbatch.grounding.lexicon import Goods, Lexicon, phrase_of


def up_to_goods(title: str, words: Lexicon) -> str:
    """Return the title up to the end of its product word; "" if it has none.

    Example: "Oak Shoe Storage Bench 80cm" -> "Oak Shoe Storage Bench".

    Args:
        title: The title without the brand.
        words: The English lexicon.
    """
    core = before_bound(title)
    for text in dict.fromkeys((core, title)):
        every = _clear(text, words)
        if every:
            goods = _headmost(text, every, text == core)
            return text[: goods.end] if goods else ""
    return ""


def _clear(text: str, words: Lexicon) -> list[Goods]:
    """Return the product words in a text, in order, except those that do not name the product.

    Left out are materials, colours, packaging, and forms of another word ("belted").
    """
    every = words.find_goods(text)
    edible = any(g.kind in EDIBLE for g in every)
    return [
        g for g in every if not (_is_quality(g, words) or _is_other_word(g, text) or _holds_others(g, text, edible))
    ]


def _is_quality(goods: Goods, words: Lexicon) -> bool:
    """Return True if a product word of the lexicon is also a material or a colour, and no food."""
    role = words.role_of_value.get(phrase_of(goods.name), "")
    return goods.kind not in EDIBLE and role in ("material", "colour")


def _is_other_word(goods: Goods, text: str) -> bool:
    """Return True if the text has another word with the product word's stem: "belted" is not the product "belt"."""
    form = re.search("(?:ed|ing)$", text[goods.start : goods.end].lower())
    return bool(form and not re.search(f"{form[0]}s?$", goods.name.lower()))


def _holds_others(goods: Goods, text: str, edible: bool) -> bool:
    """Return True if a product word is the packaging of the product: a tub of protein powder."""
    is_container = text[goods.start : goods.end].lower() in patterns("en").names.containers
    return is_container and (edible or bool(re.match(r" of\b", text[goods.end :])))


def _headmost(text: str, every: Sequence[Goods], is_core: bool) -> Goods | None:
    """Choose the product word that tells what the product is; None if that is not clear.

    The first plural word is chosen; else a word at the end of the core; else the first word, or the last of the words
    that follow it directly.

    Args:
        text: The title or its core.
        every: The product words in it, in order.
        is_core: Whether `text` is the core: the title up to the first number, sign or preposition.
    """
    if not every:
        return None
    if several := next((g for g in every if _is_plural(text[g.start : g.end])), None):
        return several
    if is_core and every[-1].end == len(text):
        return every[-1]
    head = every[0]
    for goods in every[1:]:
        if goods.start != head.end + 1:
            break
        head = goods
    others = every[-1] != head and every[-1].kind not in EDIBLE  # as in "shoe storage bench oak"
    return None if is_core and (others or _makes_others(text[head.end :])) else head


def _makes_others(rest: str) -> bool:
    """Return True if the words behind a product word make it another product: "storage" behind "shoe"."""
    first = rest.split()[0].lower() if rest[:1] == " " and rest.split() else ""
    return first in patterns("en").names.making


def _is_plural(name: str) -> bool:
    """Return True if a product word is plural by its ending ("boots", but not "lens")."""
    last = name.lower().split()[-1]
    return bool(re.search("[^su]s$", last)) and last not in patterns("en").names.singular
