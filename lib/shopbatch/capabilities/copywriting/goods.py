"""What a product is, as copy can say it: `Goods`, and what both languages ask of a product's names."""

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

PLAINEST = ("product_type", "title", "category", "department", "division")  # what names the goods, the plainest first
# where a product stands in the shop: shown in a bullet
SHELF = ("own_label", "category", "department", "division")
_CHILDREN = frozenset({"kids", "children", "baby", "babies", "toddlers", "boys", "girls", "儿童", "婴儿", "幼儿"})
_ADULTS, _CHILD_ZH = frozenset({"men", "women", "男士", "女士"}), re.compile("童|宝宝|婴儿")
BOOKS = "books"  # goods of which the title is said and not what they are
EDIBLE = frozenset({"drinks", "snacks", "pantry", "fresh"})  # kinds that are sold by weight or volume
LONGEST_NOUN = 5  # words of a title up to the goods
_SMALL = frozenset({"in", "of", "to", "on"})
_ASIDE = re.compile(r"[(（].*?(?:[)）]|$)")


@dataclass(frozen=True)
class Goods:
    """A product as it is written about.

    noun: what it is, its name if nothing says that (`only_named`). whom: whom it is for, as the noun says: `men's`.
    plain: whether nothing but the catalogue's own words name it. plural, mass: how the noun agrees (English).
    details: the sentences of the shop's own description that say more than the name. type_name: the product type
    where neither name nor noun hold it. qualities: what the title says besides, before the noun; has: what it says
    that the goods have; tail: what it says behind the noun. core: what the title calls goods that are a `noun`.
    ranged: the range that the product is said to be from, where its noun says no more.
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
        """The value of a role as a sentence says it, "" if the product has none."""
        return next((f.value for f in self.facts if f.role == role), "")


def or_book(kind: str, facts: Sequence[Fact]) -> str:
    """The kind of goods; what has an author and is of no known kind, or has pages, is a book."""
    roles, labels = {f.role for f in facts}, {f.label.lower() for f in facts}
    return BOOKS if "author" in roles and (kind == ANYTHING or labels & {"pages", "页数"}) else kind


def of_children(facts: tuple[Fact, ...], noun: str) -> tuple[Fact, ...]:
    """The facts without a gender of adults beside children, which contradict each other."""
    children = any(f.role == "age_group" and f.value in _CHILDREN for f in facts) or bool(_CHILD_ZH.search(noun))
    return tuple(f for f in facts if not (children and f.role == "gender" and f.value in _ADULTS))


def noun_of(names: Mapping[str, str], words: Lexicon, titled: bool = False) -> tuple[str, str, str]:
    """What the names of a product say it is, the kind of these goods, and their name in the lexicon.

    Of a product with a title (`titled`), a category gives the kind and no noun.
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
    """Category and department where they say more than the name."""
    labels = patterns(language).labels
    said = noun
    for column in ("category", "department", "division"):
        value = named[column]
        if value and not holds(said, value, language):
            said = f"{said} {value}"
            yield Fact(column, labels[column], value, lowered(value) if language == "en" else value)


def any_name(named: Mapping[str, str]) -> str:
    """The plainest name that a product has beside its title, else the title."""
    return next((v for n in PLAINEST if n != "title" and (v := named[n])), named["title"])


def is_goods_name(core: str) -> bool:
    """Whether all words of a title's core are English, so that it may stand in small letters."""
    vocabulary = lexicon("en").vocabulary
    words = [m[0] for m in words_of(core)]
    known = all(w.lower() in _SMALL or stem(w) in vocabulary or (is_english(w) and len(w) > 2) for w in words)
    return known and 0 < len(core.split()) <= LONGEST_NOUN


def same_goods(name: str, key: str, words: Lexicon) -> bool:
    """Whether goods of a title are those of the product type by another name: a bikini top is a top, tea herbal tea."""
    also = words.other_names.get(phrase_of(name), frozenset())
    return bool(key) and (phrase_of(key)[-1:] == phrase_of(name)[-1:] or phrase_of(key) in also)


def is_whole(name: str, goods: Found) -> bool:
    """Whether goods of a title are a word of their own there: a weekender, but not the weekend of a weekend bag."""
    said, called = name[goods.start : goods.end].lower(), goods.name.lower()
    return not (called.endswith("er") and said == called[:-2])
