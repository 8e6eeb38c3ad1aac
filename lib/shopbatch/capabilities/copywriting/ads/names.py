"""Shortens product names for ads: the name as the shop writes it if it fits the channel, else a shorter form."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from shopbatch.capabilities.copywriting.product import Goods, understand
from shopbatch.capabilities.copywriting.rules import is_printable
from shopbatch.grounding.facts import NAMES, said
from shopbatch.text.lengths import columns, without_emoji

_GAP = re.compile(r"(?<=[\u4e00-\u9fff])\s+|\s+(?=[\u4e00-\u9fff])")
_ASIDE = re.compile(r"\s*(?:[,;|(\[（【]|\s[-–—:]\s|\bwith\b|\bfor\b).*$", re.I)


def short_name(attributes: Mapping[str, str | None], language: str, room: int) -> str | None:
    """Return the longest form of a product's name that is at most `room` columns wide; None if no form is.

    Example: "Acme Trail Jacket with Hood, Navy" in 20 columns -> "Acme Trail Jacket". Every form tells what the product
    is: it contains the noun if the lexicon knows it, else the beginning of the name. For products without a title, the
    package size is added if it fits ("Shampoo (12 oz)"), so that more products of one type have distinct names.

    Args:
        attributes: The product's attributes, as `facts.known_facts` returns them.
        language: One of `lexicon.LANGUAGES`.
        room: Maximum width in columns; a Chinese character takes two.
    """
    goods = understand(attributes, language)
    size = goods.value("package_size")
    # the size is often the only difference between products of a type
    if size and not said("title", attributes.get("title")):
        sized = f"{goods.name}（{size}）" if language == "zh" else f"{goods.name} ({size})"
        if columns(sized) <= room and is_printable(sized):
            return without_emoji(sized)
    forms = dict.fromkeys(without_emoji(form).strip(" ,;:-.，。") for form in _forms(attributes, goods, language))
    fitting = [form for form in forms if 0 < columns(form) <= room and is_printable(form)]
    return max(fitting, key=columns, default=None)


def _forms(attributes: Mapping[str, str | None], goods: Goods, language: str) -> Iterator[str]:
    """Yield possible short forms of a product's name: without colour, brand or additions ("with hood"); the noun."""
    brand = said("brand", attributes.get("brand"))
    noun = "" if goods.only_named or goods.ranged else goods.noun
    bare = _without_colour(goods)
    if language == "zh" and _GAP.search(bare):  # a list of words such as `雨伞 三折 全自动` reads badly in a sentence
        parts = _GAP.split(bare)
        part = next((part for part in parts if noun and noun in part), noun or parts[0])
        space = " " if brand[-1:].isascii() and part[:1].isascii() else ""
        yield from (part, noun) if not brand or brand in bare else (f"{brand}{space}{part}", part, noun)
        return
    if bare != goods.name and not _ends_in(bare, noun):
        bare = goods.name
    for name in dict.fromkeys((bare, _ASIDE.sub("", bare))):
        unbranded = re.sub(rf"^{re.escape(brand)}\s*", "", name, flags=re.I) if brand else name
        for form in dict.fromkeys((name, unbranded)):
            if form == goods.name or _names(form, noun):
                yield form
                if bare != goods.name and name == bare:
                    yield _with_colour(form, goods.value("colour"), language)
    yield noun
    for column in NAMES:
        if column != "division" and not noun and (value := said(column, attributes.get(column))):
            yield from (value,) if not value.isupper() else ()
    if noun and language == "en":
        yield from (" ".join(noun.split()[-n:]) for n in (2, 1))


def _without_colour(goods: Goods) -> str:
    """Return the product's name without the colour at its end."""
    colour = goods.value("colour")
    return re.sub(rf"[\s,/-]+{re.escape(colour)}$", "", goods.name, flags=re.I) if colour else goods.name


def _with_colour(name: str, colour: str, language: str) -> str:
    """Return a name with the colour in the form of the language: "Trail Jacket in navy"."""
    return f"{name}（{colour}）" if language == "zh" else f"{name} in {colour}"


def _ends_in(name: str, noun: str) -> bool:
    """Return True if a name ends in the noun; False if there is no noun."""
    return bool(noun) and name.lower().endswith(noun.lower())


def _names(form: str, noun: str) -> bool:
    """Return True if a form of the name contains the noun or the noun's last word, or if there is no noun."""
    return not noun or noun.lower() in form.lower() or noun.split()[-1].lower() in form.lower()
