"""Derives nouns for products that have no title, only the labels of a catalogue such as `PITA/TORTILLAS`.

`PITA/TORTILLAS` becomes "pita or tortillas". `LAWN & GARDEN` names no product: copy then says that the product is from
the lawn and garden range. Used by product_en.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from shopbatch.capabilities.copywriting.labels import as_noun, is_spelt, plain
from shopbatch.capabilities.copywriting.patterns import patterns
from shopbatch.grounding.lexicon import lexicon, phrase_of
from shopbatch.text.expand import expand
from shopbatch.text.vocabulary import is_english

_JOINT = re.compile(r" (?:and|or) |, ")
_UNITS = (
    "fl oz|oz|lbs?|k?g|mg|m?l|L|cl|gal|gallons?|qt|quarts?|pt|pints?|count|packs?|pieces|pcs?|pairs?|loads?|rolls?"
    "|sheets?|sq ft|ft|yd|inch(?:es)?|cm|mm|m|stems?|dozen|cartons?|bags?|box(?:es)?|cans?"
    "|bottles?|jars?|cases?|trays?|sets?"
)
_AMOUNT = re.compile(
    r"(?<![\d./xX×-])(?:\d+ \d/\d+|\d[\d.,/]*(?:-\d+(?![\d.])|(?: ?[x×] ?\d[\d.,]*)*)|\ban?)"
    rf"[ -]?(?:{_UNITS})\b(?: (?:bag|box|can|bottle|jar|carton|tray|case|pack))?"
)
_INSIDE = re.compile(r"\((?!misc)([^)]+)\)")
_WEIGHED = re.compile(
    r"(?:\d[\d.,]*|\d+/\d+|a)[ -]?(?:fl )?(?:oz|lb|ml|l|g|kg|gal|gallon|qt|pt|pint|quart|load|sq ft)s?"
    r"(?: (?:bottle|can|jar|bag|box))?",
    re.I,
)


@dataclass(frozen=True)
class Called:
    """The noun that copy uses for a product without a title, derived from a catalogue label.

    Attributes:
        noun: The noun; "" if the label names no product.
        of: The range that the product is from, used if there is no usable noun; "" if none is known.
    """

    noun: str
    of: str = ""


@lru_cache(maxsize=4096)
def called(label: str, category: str, department: str = "") -> Called:
    """Return the noun for a product that only catalogue labels describe, or else the range that it is from.

    Examples: (`KITS`, `SALADS`) -> noun "salad kit"; (`LAWN & GARDEN`, ...) -> range "lawn and garden". The list of
    special nouns (`Names.called`) was made for one catalogue, in which kits are salad kits. A noun of the list is
    therefore used only if the product's labels contain all its words: kits of `CRAFT SUPPLIES` stay "kits".

    Args:
        label: The most specific label of the product, as the catalogue writes it.
        category: Its category in the catalogue; "" if the label is the category.
        department: Its department in the catalogue.
    """
    names = patterns("en").names
    words = label.lower() if len(label) <= 3 and is_english(label) else plain(label)
    noun = as_noun(words)
    shelf = plain(category)
    goods = names.shelf_goods.get(shelf.lower(), "")
    for key in (words.lower(), noun.lower()):
        known = names.called.get(key)
        if known is not None and _is_backed(known, f"{words} {noun} {shelf} {plain(department)}"):
            whole = known and (goods or "{goods}" not in known)
            return Called(known.replace("{goods}", goods)) if whole else Called("", _shelf_range(shelf))
        if key in names.ranges:
            return Called("", _range(words if key == words.lower() else noun))
    if qualities := _qualities(words):
        return Called(f"{qualities} {goods}") if goods else Called("", _shelf_range(shelf))
    if not noun:
        inside = _INSIDE.search(words)
        hung = inside and is_spelt(inside[1]) and re.match(r"j-hook|continuity", words, re.I)
        return Called("", _range(inside[1]) if inside and hung else _shelf_range(shelf))
    if _is_brand(noun):
        return Called(f"{noun} {goods or 'product'}")
    if _joins_goods(noun):
        return Called(as_noun(expand(label, "or") or words) if label.isupper() else noun, _range(noun))
    return Called(as_noun(expand(label, "or")) or noun if label.isupper() and "/" in label else noun)


def one_of(noun: str, size: str) -> str:
    """Return the singular of a noun if its pack is sold by weight or volume ("12 oz" of "dressings" -> "dressing").

    Nouns of packs with a count keep the plural ("3 count" of "razors").
    """
    if not _WEIGHED.fullmatch(size):
        return noun
    head, blank, last = noun.rpartition(" ")
    single = patterns("en").names.poured.get(last.lower(), "")
    kept = noun.lower() in patterns("en").names.together or _joins_goods(noun)
    return f"{head}{blank}{single}" if single and not kept else noun


def amount_of_goods(size: str) -> str:
    """Return the part of a package size that is an amount ("7-11 lb rw" -> "7-11 lb").

    A size that consists of amounts only is returned whole. "" is returned if there is no amount, or if there are
    several amounts and other words.
    """
    amounts = [m[0] for m in _AMOUNT.finditer(size)]
    return size if _AMOUNT.sub("", size).strip(" ,and") == "" else amounts[0] if len(amounts) == 1 else ""


def _is_backed(name: str, labels: str) -> bool:
    """Return True if the labels contain all words of a name; filler words such as "item" and "product" are ignored.

    Args:
        name: A name of `Names.called`; its slot {goods} is ignored.
        labels: All labels of the product in plain words.
    """
    free = patterns("en").names.says_nothing
    return set(phrase_of(name.replace("{goods}", ""))) <= set(phrase_of(f"{labels} {' '.join(free)}"))


def _is_brand(noun: str) -> bool:
    """Return True if a label looks like a brand: it has a capitalised word and does not end in a known product word."""
    proper, goods = patterns("en").names.proper, lexicon("en").find_goods(noun)
    named = (w for w in re.findall(r"[\w'’-]+", noun) if w[0].isupper() and w not in proper)
    return not (goods and goods[-1].end == len(noun)) and any(named)


def _shelf_range(shelf: str) -> str:
    """Return the range that a category names, without its brackets; "" if the category is too vague to be a range."""
    head = re.sub(r"\s*\(.*", "", shelf)
    return "" if head.lower() in patterns("en").names.no_ranges else _range(head)


def _range(name: str) -> str:
    """Return a label in plain words as the name of a product range: "salads or dips" -> "salads and dips"."""
    return re.sub(r" or ", " and ", name)


def _qualities(label: str) -> str:
    """Return the adjectives of a label that consists of adjectives only; "" if it has other words.

    Example: "flavored and other" -> "flavored".
    """
    names = patterns("en").names
    said = [w for w in re.findall(r"[\w'’-]+", label.lower()) if w not in names.sundry and w not in ("and", "or")]
    return " ".join(said) if said and all(w in names.adjectives or w in names.grades for w in said) else ""


def _joins_goods(noun: str) -> bool:
    """Return True if a noun names several products ("molasses and syrups"), False for "hand and body lotions"."""
    joint = _JOINT.search(noun)
    if noun.split()[-1].lower() in patterns("en").names.shared:
        return False
    if not joint or noun.lower() in patterns("en").names.together:
        return False
    before, after = noun[: joint.start()], noun[joint.end() :]
    if " " not in before + after:
        return True
    goods = lexicon("en").find_goods(before)
    return bool(re.search("[^s]s$", before)) or bool(goods and goods[-1].end == len(before))
