"""What goods are called that only the labels of a catalogue name, and the range that they are from.

`PITA/TORTILLAS` names one of two goods, `LAWN & GARDEN` none: of those a text says that they are from a range.
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
    """noun: what goods are called, "" if nothing names them. of: the range they are from where a text says no more."""

    noun: str
    of: str = ""


@lru_cache(maxsize=4096)
def called(label: str, category: str, department: str = "") -> Called:
    """What goods of a label are called, which stand on the shelf of a category; all as the catalogue has them.

    The list of such names was made for one catalogue, whose `KITS` are of salad. So a name counts only if the labels
    say what it says: kits of `CRAFT SUPPLIES` are kits.
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
    """A noun for one pack: a pack by weight holds dressing, one by count razors."""
    if not _WEIGHED.fullmatch(size):
        return noun
    head, blank, last = noun.rpartition(" ")
    single = patterns("en").names.poured.get(last.lower(), "")
    kept = noun.lower() in patterns("en").names.together or _joins_goods(noun)
    return f"{head}{blank}{single}" if single and not kept else noun


def amount_of_goods(size: str) -> str:
    """The part of a size that is an amount of goods: `7-11 lb` of `7-11 lb rw`, "" if none is."""
    amounts = [m[0] for m in _AMOUNT.finditer(size)]
    return size if _AMOUNT.sub("", size).strip(" ,and") == "" else amounts[0] if len(amounts) == 1 else ""


def _is_backed(name: str, labels: str) -> bool:
    """Whether labels hold all that a name says; `item` and `product` say nothing."""
    free = patterns("en").names.says_nothing
    return set(phrase_of(name.replace("{goods}", ""))) <= set(phrase_of(f"{labels} {' '.join(free)}"))


def _is_brand(noun: str) -> bool:
    """Whether a label is a name, and not one of goods."""
    proper, goods = patterns("en").names.proper, lexicon("en").find_goods(noun)
    named = (w for w in re.findall(r"[\w'’-]+", noun) if w[0].isupper() and w not in proper)
    return not (goods and goods[-1].end == len(noun)) and any(named)


def _shelf_range(shelf: str) -> str:
    """The range that a category names, "" if it names none."""
    head = re.sub(r"\s*\(.*", "", shelf)
    return "" if head.lower() in patterns("en").names.no_ranges else _range(head)


def _range(name: str) -> str:
    """A range by a name in plain words."""
    return re.sub(r" or ", " and ", name)


def _qualities(label: str) -> str:
    """A label that names nothing but qualities of the goods beside it, "" if it names more: `flavored and other`."""
    names = patterns("en").names
    said = [w for w in re.findall(r"[\w'’-]+", label.lower()) if w not in names.sundry and w not in ("and", "or")]
    return " ".join(said) if said and all(w in names.adjectives or w in names.grades for w in said) else ""


def _joins_goods(noun: str) -> bool:
    """Whether a noun names several goods: `molasses and syrups`, but no `hand and body lotions`."""
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
