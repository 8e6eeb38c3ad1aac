"""Interprets the names of a product for English copy: by its title, or by catalogue labels if it has no title.

Called by `product.understand`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from shopbatch.capabilities.copywriting.called import amount_of_goods, called, one_of
from shopbatch.capabilities.copywriting.coverage import names_product
from shopbatch.capabilities.copywriting.fact import SHOWN, Fact
from shopbatch.capabilities.copywriting.goods import (
    BOOKS,
    EDIBLE,
    PLAINEST,
    SHELF,
    Goods,
    is_goods_name,
    noun_of,
    of_children,
    or_book,
    shelf_of,
)
from shopbatch.capabilities.copywriting.headed import up_to_goods
from shopbatch.capabilities.copywriting.labels import is_shouted, of_shelf, plain, quiet, shown_name
from shopbatch.capabilities.copywriting.patterns import Patterns, patterns
from shopbatch.capabilities.copywriting.same import holds
from shopbatch.capabilities.copywriting.titles import Reader, Title, bare, front
from shopbatch.capabilities.copywriting.wording import lowered, spelt, titled
from shopbatch.grounding.lexicon import ANYTHING, Lexicon, phrase_of, stem, words_of
from shopbatch.text.vocabulary import is_english

_UNWASHABLE = frozenset(
    phrase_of("leather suede ceramic porcelain stoneware glass wood oak walnut marble steel plastic")
)
# names of attributes that only food has
FOOD = frozenset({"ingredients", "allergens", "protein", "sugar", "sugars", "fat", "salt", "fibre", "calories", "vegan",
                  "gluten free", "cocoa", "caffeine", "best before"})  # fmt: skip


def in_english(
    named: Mapping[str, str], facts: tuple[Fact, ...], details: tuple[str, ...], brand: str, words: Lexicon
) -> Goods:
    """Build the Goods of a product for English copy.

    Args:
        named: The product's names by column of PLAINEST; "" where one is missing.
        facts: Its facts; category and department are added here.
        details: Sentences of the shop's own description that copy may repeat.
        brand: Its brand; "" if none is stated.
        words: The English lexicon.
    """
    if not named["title"]:
        return _by_labels(named, facts, details, words)
    named = _tidied(named, facts)
    labels, details = {n: plain(v) for n, v in named.items()}, tuple(d for d in details if not _spoils(d, facts))
    headed = _goods_of(named, brand, words)
    noun, kind, key = noun_of(labels | {"title": headed}, words, titled=True)
    kind = or_book(kind, facts)
    typed = labels["product_type"]
    colour = next((f.shown for f in facts if f.role == "colour"), "")
    shown = shown_name(named["title"], True, colour)
    known = _known(facts, typed)
    coded = re.fullmatch(r"[A-Z]{2,5}|(?:in|over|on)-ear", typed, re.I if "-" in typed else 0)
    about = "" if coded or typed.lower() in patterns("en").names.collective else typed
    edible = kind in EDIBLE or (kind == ANYTHING and any(f.label.lower() in FOOD for f in facts))
    in_type = key if not about or _ends_in_goods(about, words) else ""
    tastes = frozenset(s for f in facts if f.role in ("flavour", "scent") for s in phrase_of(f.value))
    reader = Reader(brand, about, "" if typed and not about else in_type, known, edible, kind, tastes, not typed)
    shelf = of_shelf(labels["category"])
    read = reader.read(labels["title"])
    if not (typed or headed):
        read = Title(core=read.core)
    if not read.noun and not typed and is_goods_name(read.core) and kind != BOOKS and not shelf:
        read = replace(reader, product_type=read.core).read(labels["title"])
    noun, core = _best_noun(noun if typed or read.noun else "", typed, about, read, facts, words)
    noun_known = bool(noun)
    only_named = not noun or (kind == BOOKS and not typed)
    whom, noun = _whom(_known_lowered(noun, words, known), patterns("en"))
    whom = whom or _whom(bare(labels["title"], brand), patterns("en"))[0] or read.whom
    entries = words.words.kinds[kind]
    plural, mass = _number(noun, key, entries.plural, entries.mass)
    weighed = kind in EDIBLE and any(f.role in ("package_size", "weight") for f in facts)
    mass = mass or (not plural and weighed) or bool(re.search(r"\bvitamin [A-Z]\d*$", noun))
    if core and (plural != _number(core, "", frozenset(), frozenset())[0] or kind == BOOKS):
        core = ""
    facts = (*facts, *shelf_of({n: of_shelf(v) for n, v in labels.items()}, noun, "en"))
    held = shown if kind == BOOKS else f"{shown} {noun}"
    tight = typed.replace(" ", "").lower() in held.replace(" ", "").lower()
    if only_named:
        noun = _first_part(bare(shown, brand)) if kind == BOOKS else _core_of(shown, brand) or _first_part(shown)
    ranged = "" if noun_known or kind == BOOKS or (only_named and _names_itself(noun, words)) else shelf
    qualities, has, tail = _besides(read, facts, noun, kind) if not (only_named or core) else ((), "", "")
    facts = tuple(_counted(f, noun) if plural else f for f in facts)
    return Goods(
        shown, noun, kind, of_children(facts, noun), plural, mass, "", only_named, details,
        "" if tight or holds(held, typed, "en") else typed, "" if only_named else whom, False, qualities, has, tail,
        _core_of(shown, brand) if core else "", ranged,
    )  # fmt: skip


def _names_itself(core: str, words: Lexicon) -> bool:
    """Return True if the core of a title can stand for the product: common words, the last of them no colour or such.

    "Kids Waterproof Puddle Suit" can; "Shoe Storage Bench Oak" cannot.
    """
    last = core.split()[-1] if core else ""
    described = words.role_of_value.get(phrase_of(last), "") or last.lower() in patterns("en").names.qualities
    return is_goods_name(core) and not described


def _tidied(named: Mapping[str, str], facts: Sequence[Fact]) -> dict[str, str]:
    """Return the names of a product with a title, without shouted capitals and without a wrong plural of the type."""
    title = quiet(named["title"]) if is_shouted(named["title"]) else named["title"]
    return {**named, "title": title, "product_type": _one_if_titled(named, facts)}


def _one_if_titled(named: Mapping[str, str], facts: Sequence[Fact]) -> str:
    """Return the product type, in the singular if it is a plural of which the title has the singular.

    Example: type "Scarves", title "Silk Square Scarf" -> "Scarf". The type of a pack of several stays.
    """
    typed = named["product_type"]
    head, blank, last = typed.rpartition(" ")
    single = _singular(last)
    words = {word[0].lower() for word in words_of(named["title"])}
    several = any(f.role in ("package_size", "pieces") and re.search(r"[2-9]|\d\d", f.value) for f in facts)
    is_one = single.lower() in words and last.lower() not in words and not several
    return f"{head}{blank}{single}" if is_one else typed


def _singular(word: str) -> str:
    """Return the singular of a regular English plural ("Scarves" -> "Scarf"); other words are returned unchanged."""
    for plural, single in (("ves", "f"), ("ies", "y"), ("ches", "ch"), ("shes", "sh"), ("sses", "ss"), ("xes", "x")):
        if word.lower().endswith(plural) and len(word) > len(plural) + 1:
            return word[: -len(plural)] + single
    return word[:-1] if re.search(r"[^su]s$", word) else word


def _goods_of(named: Mapping[str, str], brand: str, words: Lexicon) -> str:
    """Return the part of a title that names the product, without the brand.

    It is "" if the product has no product type and its title contains no known product word.
    """
    whole = front(plain(named["title"]), brand)
    return whole if named["product_type"] else up_to_goods(whole, words)


def _spoils(detail: str, facts: Sequence[Fact]) -> bool:
    """Return True if a sentence tells to machine-wash a product whose material forbids it, such as leather."""
    made = {s for f in facts if f.role in ("material", "upper") for s in phrase_of(f.value)}
    return bool(re.search(r"\bmachine wash", detail, re.I) and made & _UNWASHABLE)


def _counted(fact: Fact, noun: str) -> Fact:
    """Drop the noun from a package size for a sentence that begins with the noun: "88 nappies" -> "88".

    The sentence then reads "nappies in a pack of 88". All other facts are returned unchanged.
    """
    count = re.fullmatch(r"(\d+) ([a-z]+s)", fact.value) if fact.role == "package_size" else None
    return replace(fact, value=count[1]) if count and phrase_of(count[2]) == phrase_of(noun)[-1:] else fact


def _first_part(title: str) -> str:
    """Return a title up to the first dash: "The Orchard - Novel - Paperback" -> "The Orchard"."""
    return re.split(r"\s[-–—|]+\s", title)[0].strip(" []()") or title


def _by_labels(named: Mapping[str, str], facts: tuple[Fact, ...], details: tuple[str, ...], words: Lexicon) -> Goods:
    """Build the Goods of a product without a title from its catalogue labels; arguments as for `in_english`."""
    labels = {n: plain(v) for n, v in named.items()}
    column = next((n for n in PLAINEST if n != "title" and named[n]), "department")
    what = called(named[column], "" if column == "category" else named["category"], named["department"])
    noun, ranged = what.noun, what.of or ("" if what.noun else of_shelf(labels["department"]))
    pack = patterns("en").labels["package_size"]
    facts = tuple(f if f.label != pack else _without_codes(f) for f in facts)
    facts = tuple(f for f in facts if f.shown)
    size = next((f.shown for f in facts if f.label == pack), "")
    noun = one_of(noun, size) if noun else ""
    only_named = not (noun or what.of)  # the label is a brand or a code
    goods = words.find_goods(noun or labels["category"])
    kind = or_book(goods[-1].kind if goods else ANYTHING, facts)
    key = goods[-1].name if noun and goods and goods[-1].end == len(noun) else ""
    whom, noun = _whom(noun, patterns("en"))
    entries = words.words.kinds[kind]
    plural, mass = _number(noun, key, entries.plural, entries.mass)
    mass = mass or (not plural and kind in EDIBLE and any(f.role in ("package_size", "weight") for f in facts))
    range_ = ranged if re.search("[^s]s$", ranged) else f"{ranged} product"
    shown = titled(f"{whom} {noun}".strip() if noun else range_ if ranged else labels[column])
    shelves = {n: of_shelf(v) for n, v in labels.items()}
    shelf = list(shelf_of(shelves, noun or ranged, "en"))
    facts = (*facts, *(shelf if len(facts) + len(shelf) > 1 else shelf_of(shelves, "", "en")))
    noun = noun or (f"{labels[column]} product" if only_named else "product")
    return Goods(
        shown, noun, kind, of_children(facts, noun), plural, mass, "", False, details,
        "" if names_product(named, shown) else labels[column], whom, True, ranged=ranged,
    )  # fmt: skip


def _without_codes(fact: Fact) -> Fact:
    """Remove codes beside a package size ("7-11 lb rw" -> "7-11 lb"); `Fact.shown` becomes "" if no amount is left."""
    size = amount_of_goods(fact.shown)
    shown = re.sub(r"^(\d+) (load|stem|sheet|roll)$", r"\1 \2s", size)
    value = fact.value if size == fact.shown and fact.role == "package_size" else size
    return replace(fact, shown=shown, value=value, role="package_size")


def _best_noun(
    noun: str, typed: str, about: str, read: Title, facts: Sequence[Fact], words: Lexicon
) -> tuple[str, str]:
    """Choose the best noun for a product with a title.

    Args:
        noun: The noun that `goods.noun_of` found; "" if there is none.
        typed: The product type; "" if it has none.
        about: The product type if it names a product; "" for codes and group names such as knitwear.
        read: The parsed title.
        facts: The product's facts.
        words: The English lexicon.

    Returns:
        The noun; and the title's own name for the product ("Pinot Grigio") if that shares no word with the product
        type, else "".
    """
    fuller = read.noun
    if about and not _ends_in_goods(typed, words):
        fuller = fuller if holds(fuller, typed.split()[-1], "en") else ""
    longer = len(fuller.split()) >= len(noun.split()) or not about
    best = fuller if fuller and longer else noun
    sizes = [f.value for f in facts if f.role == "package_size"]
    packed = any(re.search(r"\b(?:set|pack|box) of\b|pieces|pack$", size) for size in sizes)
    if best == fuller and packed and typed.endswith("s") and phrase_of(typed)[-1:] == phrase_of(best)[-1:]:
        # the plural of the type, because a set has several although the title has the singular
        best = f"{best.rpartition(' ')[0]} {typed.split()[-1]}".strip()
    if any(re.match(r"(?:set|pack) of", size) for size in sizes):
        best = re.sub(r"(?<=s) (?:set|pack)$", "", best, flags=re.I)  # not "lights set, set of 6"
    named = set(phrase_of(read.core)) & set(phrase_of(typed)) or typed.lower() in read.core.lower()
    return best, read.core if typed and not read.noun and not named else ""


def _besides(read: Title, facts: Sequence[Fact], noun: str, kind: str) -> tuple[tuple[str, ...], str, str]:
    """Return the parts of the title that neither the noun nor the facts state.

    Args:
        read: The parsed title.
        facts: The product's facts.
        noun: The product's noun.
        kind: The kind of product.

    Returns:
        The values of `Goods.qualities` (adjectives before the noun), `Goods.has` (parts for "with") and `Goods.tail`
        (words behind the noun).
    """
    sayable = [f for f in facts if f.role not in (SHOWN, "brand", *SHELF)]
    in_sentences = {s for f in sayable for s in phrase_of(f"{f.label} {f.value}")} | set(phrase_of(noun))
    in_any = in_sentences | {s for f in facts for s in phrase_of(f"{f.label} {f.shown}")}
    roles = {f.role for f in facts}
    made_of = roles & {"material", "upper"}
    of_pack = ("resealable", "recyclable", "refillable", "plastic-free") if kind in EDIBLE else ()
    every = [
        q
        for q in read.qualities
        if q not in of_pack and not set(phrase_of(q)) & in_sentences and not (made_of and q == "wooden")
    ]
    if read.colour and "colour" not in roles and not set(phrase_of(read.colour)) <= in_sentences:
        every.append(read.colour)
    if read.material and not roles & {"material", "upper"} and not set(phrase_of(read.material)) & in_sentences:
        every.append(read.material)
    fresh = {part: part if not _content(part) & in_any else "" for part in (read.has, read.tail)}
    people = patterns("en").names.whom.keys() | patterns("en").names.genders.keys()
    aged = roles & {"age_group", "recommended_age", "gender"} and set(read.tail.lower().split()) & people
    return tuple(every), fresh[read.has], "" if aged else fresh[read.tail]


def _content(text: str) -> set[str]:
    """Return the stems of a text without articles and prepositions."""
    return set(phrase_of(text)) - set(phrase_of("with for in a an and the"))


def _core_of(shown: str, brand: str) -> str:
    """Return a title's core, without the brand: its words up to the first number, sign or preposition.

    It is "" if the core is longer than six words.
    """
    return Reader(brand, "", "", frozenset(), False).read(shown).core


def _known(facts: Sequence[Fact], product_type: str) -> frozenset[str]:
    """Return the stems of all words of facts and product type; in the title these words are no proper names."""
    stems = (stem(m[0]) for f in facts if f.role != "brand" for m in words_of(f"{f.label} {f.shown}"))
    return frozenset(stems) | frozenset(phrase_of(product_type))


def _ends_in_goods(product_type: str, words: Lexicon) -> bool:
    """Return True if a product type ends in a product word of the lexicon that tells what the product is.

    Examples: "velvet sofa" does, because the lexicon knows "sofa"; "lamp shade" does not, because only its beginning is
    a product word.
    """
    goods = words.find_goods(product_type)
    return bool(goods) and goods[-1].end == len(product_type) and goods[-1].name not in patterns("en").names.generic


def _whom(noun: str, speech: Patterns) -> tuple[str, str]:
    """Split a noun into the wearer or user and the rest: "men's boots" -> ("men's", "boots").

    The first part is "" if the noun begins with another word.
    """
    first, _, rest = noun.partition(" ")
    whom = speech.names.whom.get(first.lower().replace("’", "'"), "") if rest else ""
    return whom, rest if whom else noun


def _number(noun: str, key: str, plural: frozenset[str], mass: frozenset[str]) -> tuple[bool, bool]:
    """Return whether an English noun is plural, and whether it cannot be counted ("tea" -> (False, True)).

    Args:
        noun: The noun.
        key: The product word in the lexicon; "" if unknown.
        plural: Product words of the kind that are plural without an s.
        mass: Product words of the kind that cannot be counted.
    """
    head = re.split(r" (?:for|with|in|of|from|to) |\(|,", noun)[0].strip()
    tail = head.split()[-1] if head else ""
    singular = tail.lower() in patterns("en").names.singular or tail.endswith(("us", "is"))
    ends_in_s = bool(re.search(r"[^s]s$", tail)) and not singular
    joined = bool(re.search(r"\w (?:and|or|&) \w", noun))
    is_plural = ends_in_s or (key in plural and not key.endswith("s"))
    return is_plural, (not is_plural and (key in mass or joined))


def _known_lowered(text: str, words: Lexicon, known: frozenset[str]) -> str:
    """Put the common words of a text into lower case; unknown words stay, because they may be proper names.

    Args:
        text: The noun.
        words: The English lexicon.
        known: Stems of further words that are common words.
    """
    titles = patterns("en").names.titles

    def small(match: re.Match[str]) -> str:
        """Return a known word in lower case, else the word; for `re.sub`."""
        word = match[0]
        is_word = stem(word) in words.vocabulary or stem(word) in known or word.lower() in titles or is_english(word)
        return lowered(word) if is_word else word

    return spelt(re.sub(r"[^\W\d_][\w'’]*", small, text))
