"""What a title without a product type says that the goods are: known goods, and no material, colour or container."""

from __future__ import annotations

import re
from collections.abc import Sequence

from shopbatch.capabilities.copywriting.goods import EDIBLE
from shopbatch.capabilities.copywriting.patterns import patterns
from shopbatch.capabilities.copywriting.titles import before_bound
from shopbatch.grounding.lexicon import Goods, Lexicon, phrase_of


def up_to_goods(title: str, words: Lexicon) -> str:
    """A title up to the end of the goods that it names, "" if it names none."""
    core = before_bound(title)
    for text in dict.fromkeys((core, title)):
        every = _clear(text, words)
        if every:
            goods = _headmost(text, every, text == core)
            return text[: goods.end] if goods else ""
    return ""


def _clear(text: str, words: Lexicon) -> list[Goods]:
    """The goods in a text without materials and colours, and without what food is in or goods come by the number in."""
    every = words.find_goods(text)
    edible = any(g.kind in EDIBLE for g in every)
    return [
        g for g in every if not (_is_quality(g, words) or _is_other_word(g, text) or _holds_others(g, text, edible))
    ]


def _is_quality(goods: Goods, words: Lexicon) -> bool:
    role = words.role_of_value.get(phrase_of(goods.name), "")
    return goods.kind not in EDIBLE and role in ("material", "colour")


def _is_other_word(goods: Goods, text: str) -> bool:
    """Whether a text has another form of the name of goods: belted, of belts."""
    form = re.search("(?:ed|ing)$", text[goods.start : goods.end].lower())
    return bool(form and not re.search(f"{form[0]}s?$", goods.name.lower()))


def _holds_others(goods: Goods, text: str, edible: bool) -> bool:
    is_container = text[goods.start : goods.end].lower() in patterns("en").names.containers
    return is_container and (edible or bool(re.match(r" of\b", text[goods.end :])))


def _headmost(text: str, every: Sequence[Goods], is_core: bool) -> Goods | None:
    """The goods that others of a title tell of: plural ones, those at its end, else the first with what follows it."""
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
    others = every[-1] != head and every[-1].kind not in EDIBLE  # shoe storage bench oak
    return None if is_core and (others or _makes_others(text[head.end :])) else head


def _makes_others(rest: str) -> bool:
    """Whether what follows goods makes others of them: shoe, of a storage box."""
    first = rest.split()[0].lower() if rest[:1] == " " and rest.split() else ""
    return first in patterns("en").names.making


def _is_plural(name: str) -> bool:
    """Whether a name in s is one of several goods."""
    last = name.lower().split()[-1]
    return bool(re.search("[^su]s$", last)) and last not in patterns("en").names.singular
