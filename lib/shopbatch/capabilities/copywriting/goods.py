"""The class `Goods`, a product as the planner writes about it, and helpers that derive it from the product's names.

Used by product.py (Chinese) and product_en.py (English).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from shopbatch.capabilities.copywriting.fact import Fact
from shopbatch.capabilities.copywriting.patterns import patterns
from shopbatch.capabilities.copywriting.same import holds
from shopbatch.capabilities.copywriting.wording import lowered
from shopbatch.grounding.lexicon import ANYTHING, Lexicon, lexicon, phrase_of, stem, words_of
from shopbatch.grounding.lexicon import Goods as Found
from shopbatch.text.vocabulary import is_english

PLAINEST = ("product_type", "title", "category", "department", "division")  # columns with names, the simplest first
# roles of facts about the product's place in the shop; bullets show them
SHELF = ("own_label", "category", "department", "division")
_CHILDREN = frozenset({"kids", "children", "baby", "babies", "toddlers", "boys", "girls", "儿童", "婴儿", "幼儿"})
_ADULTS, _CHILD_ZH = frozenset({"men", "women", "男士", "女士"}), re.compile("童|宝宝|婴儿")
BOOKS = "books"  # kind of product that copy calls by its title, not by a noun
EDIBLE = frozenset({"drinks", "snacks", "pantry", "fresh"})  # kinds that are sold by weight or volume
LONGEST_NOUN = 5  # maximum words of a noun
_SMALL = frozenset({"in", "of", "to", "on"})
_ASIDE = re.compile(r"[(（].*?(?:[)）]|$)")


@dataclass(frozen=True)
class Goods:
    """A product as the planner writes about it.

    Attributes:
        name: Its name, as the headline shows it.
        noun: The common noun for it ("trail jacket"); its name if nothing tells what it is.
        kind: Kind of product in the lexicon ("outerwear"), ANYTHING if unknown.
        facts: Its facts, the most interesting first.
        plural: Whether the noun is plural (English).
        mass: Whether the noun cannot be counted (English: "tea").
        measure: The measure word of the noun (Chinese).
        only_named: Whether nothing tells what the product is, so that `noun` is just its name.
        details: Sentences of the shop's own description that tell more than the name.
        type_name: The product type, if neither name nor noun contain it; else "".
        whom: For whom the product is, as its noun or title tells ("men's"); else "".
        plain: Whether the product has no title, only the labels of a catalogue.
        qualities: Adjectives from the title that stand before the noun ("silent").
        has: Parts that the title names behind "with", with articles; else "".
        tail: Words of the title that stand behind the noun ("for kids"); else "".
        core: The title's own name for the product if that does not contain the noun ("Pinot Grigio" is a "white wine");
            else "".
        ranged: The range that the product is from ("molasses and syrups"), if no noun for it is known; else "".
    """

    name: str
    noun: str
    kind: str
    facts: tuple[Fact, ...]
    plural: bool = False
    mass: bool = False
    measure: str = ""
    only_named: bool = False
    details: tuple[str, ...] = ()
    type_name: str = ""
    whom: str = ""
    plain: bool = False
    qualities: tuple[str, ...] = ()
    has: str = ""
    tail: str = ""
    core: str = ""
    ranged: str = ""

    def value(self, role: str) -> str:
        """Return the value of the first fact with a role, as a sentence contains it; "" if there is none."""
        return next((f.value for f in self.facts if f.role == role), "")


def or_book(kind: str, facts: Sequence[Fact]) -> str:
    """Return BOOKS if the facts show that the product is a book, else the given kind.

    A product with an author is a book if its kind is unknown or if it has a number of pages.
    """
    roles, labels = {f.role for f in facts}, {f.label.lower() for f in facts}
    return BOOKS if "author" in roles and (kind == ANYTHING or labels & {"pages", "页数"}) else kind


def of_children(facts: tuple[Fact, ...], noun: str) -> tuple[Fact, ...]:
    """Return the facts without a gender of adults ("women") if the product is for children.

    Otherwise copy would contradict itself.

    Args:
        facts: The product's facts.
        noun: The product's noun; a Chinese one may tell that it is for children.
    """
    children = any(f.role == "age_group" and f.value in _CHILDREN for f in facts) or bool(_CHILD_ZH.search(noun))
    return tuple(f for f in facts if not (children and f.role == "gender" and f.value in _ADULTS))


def noun_of(names: Mapping[str, str], words: Lexicon, titled: bool = False) -> tuple[str, str, str]:
    """Find the noun of a product in its names.

    The columns are tried in the order of PLAINEST until one contains a product word of the lexicon. A product type of
    up to eight words without digits is always the noun.

    Args:
        names: The product's names by column of PLAINEST.
        words: The lexicon.
        titled: Whether the product has a title. Then a category or department gives the kind, but no noun.

    Returns:
        The noun, its kind, and its name in the lexicon, for example ("Denim Jacket", "outerwear", "denim jacket"). Noun
        and name are "" and the kind is ANYTHING if nothing is found.
    """
    noun, kind, key = "", ANYTHING, ""
    for column in PLAINEST:
        goods = words.find_goods(_ASIDE.sub(lambda m: " " * len(m[0]), names[column]))
        if goods:
            last = goods[-1]
            if last.name not in patterns("en").names.generic:
                of_goods = not titled or column in ("product_type", "title")
                noun, key = (names[column][last.start : last.end], last.name) if of_goods else ("", "")
                kind = last.kind
            break
    if 0 < len(names["product_type"].split()) <= 8 and not re.search(r"\d", names["product_type"]):
        noun = names["product_type"]
    return noun, kind, key


def shelf_of(named: Mapping[str, str], noun: str, language: str) -> Iterator[Fact]:
    """Yield the category, department and division as facts.

    A value is left out if the noun and the values before it already contain it.

    Args:
        named: The product's names by column.
        noun: The product's noun.
        language: One of `lexicon.LANGUAGES`.
    """
    labels = patterns(language).labels
    said = noun
    for column in ("category", "department", "division"):
        value = named[column]
        if value and not holds(said, value, language):
            said = f"{said} {value}"
            yield Fact(column, labels[column], value, lowered(value) if language == "en" else value)


def any_name(named: Mapping[str, str]) -> str:
    """Return the first name of a product in the order of PLAINEST except the title; the title if there is no other."""
    return next((v for n in PLAINEST if n != "title" and (v := named[n])), named["title"])


def is_goods_name(core: str) -> bool:
    """Return True if the core of a title has English words only, so that it is a common noun ("Trail Shoe").

    Args:
        core: The title up to the first number, sign or preposition.
    """
    vocabulary = lexicon("en").vocabulary
    words = [m[0] for m in words_of(core)]
    known = all(w.lower() in _SMALL or stem(w) in vocabulary or (is_english(w) and len(w) > 2) for w in words)
    return known and 0 < len(core.split()) <= LONGEST_NOUN


def same_goods(name: str, key: str, words: Lexicon) -> bool:
    """Return True if two product words of the lexicon mean the same product: a bikini top is a top, herbal tea is tea.

    Args:
        name: The product word in the title.
        key: The product word in the product type; "" gives False.
        words: The lexicon.
    """
    also = words.other_names.get(phrase_of(name), frozenset())
    return bool(key) and (phrase_of(key)[-1:] == phrase_of(name)[-1:] or phrase_of(key) in also)


def is_whole(name: str, goods: Found) -> bool:
    """Return False if the title only contains the beginning of a product word ("weekend" for "weekender").

    Args:
        name: The title.
        goods: The product word that the lexicon found in it.
    """
    said, called = name[goods.start : goods.end].lower(), goods.name.lower()
    return not (called.endswith("er") and said == called[:-2])
