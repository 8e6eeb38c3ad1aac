"""Decides which facts an English sentence may state: only those with the form for which a sentence pattern was written.

All other facts are shown as bullets in the shop's own words, because a bullet ("label: value") cannot misinterpret a
value. Used by values.py and plan.py.
"""

from __future__ import annotations

import re
from dataclasses import replace

from shopbatch.capabilities.copywriting.fact import ABLE, PART, SHOWN, Fact
from shopbatch.capabilities.copywriting.patterns import patterns
from shopbatch.capabilities.copywriting.spelling import MATERIALS
from shopbatch.grounding.lexicon import lexicon, phrase_of

# roles whose attribute names may contain words of _ABOUT_ANOTHER: `works with`, `recommended age`
_OF_OTHERS = frozenset({"works_with", "load", "most", "recommended_age", "age_group", "players", "persons", "range",
                        "covers", "output", "skin_type", "hair_type", "season", "gender"})  # fmt: skip
# words of attribute names that are about another thing than the product
_ABOUT_ANOTHER = re.compile(
    r"\b(?:fits?|fitting|for|compatible|compatibility|supported|supports|suitable|recommended|plant|body|user|rider"
    r"|finished|mature|tv|monitor|device|phone|laptop|pot|vehicle|input)\b",
    re.I,
)
_BOUNDED = re.compile(r"\b(?:max|(?<!\d )(?<!\d)min|maximum|minimum|approx|ca|about|up to|from)\b", re.I)
_CLOSED = frozenset({"covers", "range", "recommended_age", "age_group", "origin", "works_with", "brand", "author"})
_NUMBER = r"\d[\d.,]*"
# package sizes that a sentence can state
_PACK = re.compile(
    rf"(?:a )?(?:{_NUMBER}(?: \d/\d)?|\d/\d)(?:-| )?[a-z ]+(?:bag|box|can|tin|bottle|jar|carton|tray|case|pack|set)?s?"
    rf"|{_NUMBER}(?: ?[-–x×] ?{_NUMBER}){{0,2}}(?:[ -]?[a-z ]+)?|[a-z]+(?:-| )pack"
    rf"|\d+-(?:count|pack)(?:,| and) {_NUMBER} ?[a-z ]+"
    r"|(?:single |twin |triple )?(?:pack|set|box|case|bag|tray|carton|pair|bundle|jar|tin|bottle)(?: of .+)?",
    re.I,
)
_SCREENLESS = re.compile(
    r"\b(?:arm|mount|bracket|stand|riser|case|cover|sleeve|bag|backpack|rucksack|protector|film|filter|cleaner|desk|cable"
    r"|cart|trolley|shelf|cabinet|unit|wipes?)s?$",
    re.I,
)
_POWERS = re.compile(
    r"\b(?:batter(?:y|ies)|cells?|chargers?|adapt[eo]rs?|transformers?|power (?:bank|supply|packs?))", re.I
)
_GROWN = re.compile(r"\b(?:seeds?|bulbs?|plants?|seedlings?|shrubs?|(?<!cat )trees?|plugs|tubers?|herbs?)$", re.I)
_GROWTH = frozenset({"height", "width", "depth", "length", "diameter", "dimensions"})


def sayable(fact: Fact) -> Fact:
    """Return the fact unchanged if sentences may state it, else a copy with the role SHOWN, which only bullets show."""
    return fact if fact.role == SHOWN or _is_shaped(fact) else replace(fact, role=SHOWN, value=fact.shown, bare=False)


def is_apt(fact: Fact, noun: str) -> bool:
    """Return False if a fact cannot be about this product itself.

    Examples: a monitor arm has no screen; seeds are not 180 cm high.

    Args:
        fact: A fact of the product.
        noun: The product's noun.
    """
    if fact.role == "screen" and _SCREENLESS.search(noun):
        return False
    if fact.role == "runs_on" and _POWERS.search(noun):  # a battery supplies its voltage
        return False
    if fact.role == "seats" and re.search(r"(?:cloth|cover|runner|rug|mat)s?$", noun, re.I):
        return False
    of_part = fact.role == PART and re.search(r" (?:diameter|height|length|width|depth|size)$", fact.label, re.I)
    if of_part and re.search(r"\b(?:set|kit|bundle)s?$", noun, re.I):
        return False
    return not (fact.role in _GROWTH and _GROWN.search(noun) and not re.search("artificial|faux|fake", noun, re.I))


def is_redundant(fact: Fact, noun: str) -> bool:
    """Return True if the noun already tells a fact: the material "linen" or "100% linen" of a "linen shirt"."""
    # "decaffeinated" beside "decaf coffee"
    if fact.role == ABLE and any(w.startswith(fact.value[:5]) for w in noun.lower().split()):
        return True
    numbers = re.findall(r"\d+", fact.value)
    # the pieces of a "1000-piece jigsaw puzzle"
    if fact.role == "package_size" and numbers and "piece" in fact.value and f"{numbers[0]}-piece" in noun:
        return True
    # "30 marbles" tells more than "marble run"
    if fact.role == PART and numbers and not set(numbers) <= set(re.findall(r"\d+", noun)):
        return False
    words, named = {w for w in phrase_of(fact.value) if not w.isdigit()}, set(phrase_of(noun))
    named |= {w.removesuffix("en") for w in named}  # "wood" in "wooden"
    if fact.role in MATERIALS and fact.role != "strap" and not re.search(r"\d", fact.value):
        return bool(words & named)
    return bool(words) and words - {"a", "an"} <= named


def _is_shaped(fact: Fact) -> bool:
    """Return True if name and value of a fact have the form for which the patterns of its role were written.

    It is False, for example, for values with "max" or "approx", for materials listed with the parts they are used in,
    and for names about another thing ("pot size").
    """
    role, shown = fact.role, fact.shown
    if role not in _OF_OTHERS and _ABOUT_ANOTHER.search(fact.label) and re.search(r"\d", shown):
        return False
    if role not in _CLOSED and _BOUNDED.search(shown):
        return False
    if role == "closure" and re.match(r"[\w -]*s (?:and|&) ", shown, re.I):  # "buttons and belt"
        return False
    if role in MATERIALS and re.search(r"\bwith\b", shown, re.I):
        return False
    if role == "length" and not re.search(r"\d", shown) and (" " in fact.label or shown.lower() in ("short", "long")):
        return False
    if role == "pieces":
        return bool(
            re.fullmatch(r"[2-9]|\d{2,}", fact.value) and re.search("piece", fact.label, re.I)
        )  # not "Units: 3" or "Quantity: 3"
    if role == PART and fact.value.startswith("a single "):
        return False
    if role == "package_size":
        return bool(_PACK.fullmatch(fact.value))
    if role == "screen":
        return not re.search(r"[,;]|\d ?[-–] ?\d|\band\b", shown)
    if role == "power":
        return not re.search(r"[,;(]", shown) and "output" not in fact.label.lower()
    return not (role in ("material", "upper") and _names_part(shown))


def _names_part(material: str) -> bool:
    """Return True if a list of materials also names parts of the product ("board, polypropylene cover")."""
    parts, words = patterns("en").names.parts, lexicon("en")
    each = [part.lower() for part in re.split(r"\s*[,;/]\s*|\s+and\s+", material)]
    ends = (part.split()[-1] for part in each if len(part.split()) > 1)
    return len(each) > 1 and any(end in parts and not words.knows("material", end) for end in ends)
