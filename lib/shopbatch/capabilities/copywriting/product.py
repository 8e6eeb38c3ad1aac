"""What a product is, and what is known of it, as copy can say it: its goods, and its facts in a reader's order.

Called by `plan.py`, which says the facts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from shopbatch.capabilities.copywriting.called import called, one_of, sane
from shopbatch.capabilities.copywriting.coverage import names_product
from shopbatch.capabilities.copywriting.labels import of_shelf, plain, shown_name
from shopbatch.capabilities.copywriting.patterns import Patterns, patterns
from shopbatch.capabilities.copywriting.prompt import one_line
from shopbatch.capabilities.copywriting.rules import is_printable
from shopbatch.capabilities.copywriting.same import holds, repeats
from shopbatch.capabilities.copywriting.titles import Reader, Title, bare, front, is_goods_name
from shopbatch.capabilities.copywriting.values import OWN_LABEL, SHOWN, Fact, facts_of
from shopbatch.capabilities.copywriting.wording import capital, lowered, titled
from shopbatch.grounding.facts import DESCRIPTION, said
from shopbatch.grounding.lexicon import ANYTHING, Lexicon, lexicon, phrase_of, stem, words_of
from shopbatch.text.vocabulary import is_english

PLAINEST = ("product_type", "title", "category", "department", "division")  # what names the goods, the plainest first
# where a product stands in the shop: shown in a bullet
SHELF = ("own_label", "category", "department", "division")
_CHILDREN = frozenset({"kids", "children", "baby", "babies", "toddlers", "boys", "girls", "儿童", "婴儿", "幼儿"})
_ADULTS, _CHILD_ZH = frozenset({"men", "women", "男士", "女士"}), re.compile("童|宝宝|婴儿")
BOOKS = "books"  # goods of which the title is said and not what they are
_WORN = frozenset({"tops", "bottoms", "dresses", "outerwear", "underwear", "swimwear"})
# names of attributes of food
FOOD = frozenset({"ingredients", "allergens", "protein", "sugar", "sugars", "fat", "salt", "fibre", "calories", "vegan",
                  "gluten free", "cocoa", "caffeine", "best before"})  # fmt: skip
EDIBLE = frozenset({"drinks", "snacks", "pantry", "fresh"})  # kinds that are sold by weight or volume
_SENTENCE = re.compile(r"[^.。!！?？]+(?:\.(?=\S)[^.。!！?？]*)*")
_LONGEST_DETAIL = {"en": 110, "zh": 45}  # characters of a sentence of the shop's own description
_DETAILS = 3  # sentences of the shop's own description
_SHORTEST_DETAIL = {"en": 4, "zh": 3}
_ADDRESSED = re.compile(
    r"\b(?:you|your|we|our|us|i|my|now|today|please|click|see|price|sale|off|new|free|at least|guaranteed?)\b|[$€£¥%我你您]", re.I
)
_STEP = re.compile(r"\s*(?:>|»|›|→|\|)\s*")  # between the groupings of a path
_ASIDE = re.compile(r"[(（].*?(?:[)）]|$)")
_LONGEST_ZH = 9  # characters of a noun


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


def understand(attributes: Mapping[str, str | None], language: str) -> Goods:
    """What a product is, and its facts in the order in which a reader wants them."""
    words = lexicon(language)
    named = {n: one_line(_last_step(n, said(n, attributes.get(n)))) for n in PLAINEST}
    name = next((v for n in ("title", *PLAINEST) if (v := named[n])), "")
    details = _details(attributes, name, language)
    facts = tuple(facts_of(attributes, language))
    brand = one_line(said("brand", attributes.get("brand")))
    if language == "zh":
        return _in_chinese(named, name, facts, details, brand, words)
    return _in_english(named, name, facts, details, brand, words)


def _in_chinese(
    named: Mapping[str, str], name: str, facts: tuple[Fact, ...], details: tuple[str, ...], brand: str, words: Lexicon
) -> Goods:
    noun, kind, key = _noun(named, words)
    kind = _or_book(kind, facts)
    only_named = not noun
    noun = noun or _any_name(named)
    only_named = only_named and noun == named["title"]
    facts = (*facts, *_shelf(named, noun, "zh"))
    entries = words.words.kinds[kind]
    measure = entries.measure.get(key, entries.measure.get("default", patterns("zh").kinds[kind].measure or "款"))
    packed = kind in EDIBLE or any(f.role == "package_size" for f in facts)
    worn = kind in _WORN or measure != "件"
    measure = measure if noun.endswith(key) and worn and not packed else "款"
    noun = noun if only_named else _longer(noun, named, brand, words)
    colour = next((f.shown for f in facts if f.role == "colour"), "")
    name = re.sub(rf"\s+{re.escape(colour)}$", "", name) if colour else name
    name = f"《{name}》" if kind == BOOKS and named["title"] and not re.search("[《》「]", name) else name
    held = name if kind == BOOKS else f"{name} {noun}"
    kept = named["product_type"] if named["product_type"] not in held else ""
    return Goods(name, noun, kind, _of_children(facts, noun), measure=measure, only_named=only_named, details=details,
                 type_name=kept)  # fmt: skip


def _in_english(
    named: Mapping[str, str], name: str, facts: tuple[Fact, ...], details: tuple[str, ...], brand: str, words: Lexicon
) -> Goods:
    labels = {n: plain(v) for n, v in named.items()}
    if not named["title"]:
        return _by_labels(named, facts, details, words)
    noun, kind, key = _noun(labels | {"title": front(labels["title"], brand)}, words, titled=True)
    kind = _or_book(kind, facts)
    typed = labels["product_type"]
    colour = next((f.shown for f in facts if f.role == "colour"), "")
    shown = shown_name(name, True, colour)
    known = _known(facts, typed)
    coded = re.fullmatch(r"[A-Z]{2,5}|(?:in|over|on)-ear", typed, re.I if "-" in typed else 0)
    about = "" if coded or typed.lower() in patterns("en").names.collective else typed
    edible = kind in EDIBLE or (kind == ANYTHING and any(f.label.lower() in FOOD for f in facts))
    in_type = key if not about or _ends_in_goods(about, words) else ""
    tastes = frozenset(s for f in facts if f.role in ("flavour", "scent") for s in phrase_of(f.value))
    reader = Reader(brand, about, "" if typed and not about else in_type, known, edible, kind, tastes)
    read = reader.read(labels["title"])
    if not read.noun and not typed and is_goods_name(read.core) and kind != BOOKS:
        read = replace(reader, product_type=read.core).read(labels["title"])
    noun, core = _best_noun(noun if typed or read.noun else "", typed, read, facts, words)
    only_named = not noun or kind == BOOKS and not typed
    whom, noun = _whom(_known_lowered(noun, words, known), patterns("en"))
    whom = whom or _whom(bare(labels["title"], brand), patterns("en"))[0] or read.whom
    entries = words.words.kinds[kind]
    plural, mass = _number(noun, key, entries.plural, entries.mass)
    mass = mass or (not plural and kind in EDIBLE and any(f.role in ("package_size", "weight") for f in facts))
    if core and (plural != _number(core, "", frozenset(), frozenset())[0] or kind == BOOKS):
        core = ""
    facts = (*facts, *_shelf({n: of_shelf(v) for n, v in labels.items()}, noun, "en"))
    held = shown if kind == BOOKS else f"{shown} {noun}"
    tight = typed.replace(" ", "").lower() in held.replace(" ", "").lower()
    if only_named:
        noun = bare(shown, brand) if kind == BOOKS else _core_of(shown, brand) or shown
    qualities, has, tail = _besides(read, facts, noun) if not (only_named or core) else ((), "", "")
    return Goods(
        shown, noun, kind, _of_children(facts, noun), plural, mass, "", only_named, details,
        "" if tight or holds(held, typed, "en") else typed, "" if only_named else whom, False, qualities, has, tail,
        _core_of(shown, brand) if core else "",
    )  # fmt: skip


def _by_labels(named: Mapping[str, str], facts: tuple[Fact, ...], details: tuple[str, ...], words: Lexicon) -> Goods:
    """A product that only the labels of a catalogue name."""
    labels = {n: plain(v) for n, v in named.items()}
    column = next((n for n in PLAINEST if n != "title" and named[n]), "department")
    what = called(named[column], "" if column == "category" else named["category"])
    noun, ranged = what.noun, what.of or ("" if what.noun else of_shelf(labels["department"]))
    pack = patterns("en").labels["package_size"]
    facts = tuple(f if f.label != pack else _sane_size(f) for f in facts)
    facts = tuple(f for f in facts if f.shown)
    size = next((f.shown for f in facts if f.role == "package_size"), "")
    noun = one_of(noun, size) if noun else ""
    only_named = not (noun or what.of)  # a brand or a code as product type
    goods = words.find_goods(noun or labels["category"])
    kind = _or_book(goods[-1].kind if goods else ANYTHING, facts)
    key = goods[-1].name if noun and goods and goods[-1].end == len(noun) else ""
    whom, noun = _whom(noun, patterns("en"))
    entries = words.words.kinds[kind]
    plural, mass = _number(noun, key, entries.plural, entries.mass)
    mass = mass or (not plural and kind in EDIBLE and any(f.role in ("package_size", "weight") for f in facts))
    range_ = ranged if re.search("[^s]s$", ranged) else f"{ranged} product"
    shown = titled(f"{whom} {noun}".strip() if noun else range_ if ranged else labels[column])
    facts = (*facts, *_shelf({n: of_shelf(v) for n, v in labels.items()}, noun or ranged, "en"))
    noun = noun or (f"{labels[column]} product" if only_named else "product")
    return Goods(
        shown, noun, kind, _of_children(facts, noun), plural, mass, "", False, details,
        "" if names_product(named, shown) else labels[column], whom, True, ranged=ranged,
    )  # fmt: skip


def _sane_size(fact: Fact) -> Fact:
    """A size of a pack without the codes beside it, without anything if it is none."""
    size = sane(fact.shown)
    shown = re.sub(r"^(\d+) (load|stem|sheet|roll)$", r"\1 \2s", size)
    value = fact.value if size == fact.shown and fact.role == "package_size" else size
    return replace(fact, shown=shown, value=value, role="package_size")


def _best_noun(noun: str, typed: str, read: Title, facts: Sequence[Fact], words: Lexicon) -> tuple[str, str]:
    """What names titled goods best: the title, or the product type; and what the title calls them if it names others."""
    fuller = read.noun
    if typed and not _ends_in_goods(typed, words) and typed.lower() not in patterns("en").names.collective:
        fuller = fuller if holds(fuller, typed.split()[-1], "en") else ""
    longer = len(fuller.split()) >= len(noun.split()) or typed.lower() in patterns("en").names.collective
    best = fuller if fuller and longer else noun
    packed = any(f.role == "package_size" and re.search(r"\b(?:set|pack|box) of\b|pieces|pack$", f.value) for f in facts)
    if best == fuller and packed and typed.endswith("s") and phrase_of(typed)[-1:] == phrase_of(best)[-1:]:
        best = f"{best.rpartition(' ')[0]} {typed.split()[-1]}".strip()  # of boards a set, though the title has one
    if any(f.role == "package_size" and re.match(r"(?:set|pack) of", f.value) for f in facts):
        best = re.sub(r"(?<=s) (?:set|pack)$", "", best)  # lights set, set of 6
    named = set(phrase_of(read.core)) & set(phrase_of(typed))
    return best, read.core if typed and not read.noun and not named else ""


def _besides(read: Title, facts: Sequence[Fact], noun: str) -> tuple[tuple[str, ...], str, str]:
    """What a title says besides the goods that no fact says: qualities, what they have, and what follows them."""
    told = [f for f in facts if f.role not in (SHOWN, "brand", *SHELF)]
    in_told = {s for f in told for s in phrase_of(f"{f.label} {f.value}")} | set(phrase_of(noun))
    in_any = in_told | {s for f in facts for s in phrase_of(f"{f.label} {f.shown}")}
    roles = {f.role for f in facts}
    made_of = roles & {"material", "upper"}
    every = [q for q in read.qualities if not set(phrase_of(q)) & in_told and not (made_of and q == "wooden")]
    if read.colour and "colour" not in roles and not set(phrase_of(read.colour)) <= in_told:
        every.append(read.colour)
    if read.material and not roles & {"material", "upper"} and not set(phrase_of(read.material)) & in_told:
        every.append(read.material)
    fresh = {part: part if not _content(part) & in_any else "" for part in (read.has, read.tail)}
    people = patterns("en").names.whom.keys() | patterns("en").names.genders.keys()
    aged = roles & {"age_group", "recommended_age", "gender"} and set(read.tail.lower().split()) & people
    return tuple(every), fresh[read.has], "" if aged else fresh[read.tail]


def _content(text: str) -> set[str]:
    return set(phrase_of(text)) - set(phrase_of("with for in a an and the"))


def _core_of(shown: str, brand: str) -> str:
    return Reader(brand, "", "", frozenset(), False).read(shown).core


def _last_step(column: str, value: str) -> str:
    """A grouping without the path to it: `Scarves` of `Clothing Accessories > Scarves`; a title as it is."""
    steps = [step.strip() for step in _STEP.split(value)] if column != "title" else []
    return next((step for step in reversed(steps) if step), value)


def _or_book(kind: str, facts: Sequence[Fact]) -> str:
    """The kind of goods; what has an author and is of no known kind, or has pages, is a book."""
    roles, labels = {f.role for f in facts}, {f.label.lower() for f in facts}
    return BOOKS if "author" in roles and (kind == ANYTHING or labels & {"pages", "页数"}) else kind


def _any_name(named: Mapping[str, str]) -> str:
    """The plainest name that a product has beside its title, else the title."""
    return next((v for n in PLAINEST if n != "title" and (v := named[n])), named["title"])


def _known(facts: Sequence[Fact], product_type: str) -> frozenset[str]:
    """The stems of the words of the facts and of the product type, which are no names."""
    stems = (stem(m[0]) for f in facts if f.role != "brand" for m in words_of(f"{f.label} {f.shown}"))
    return frozenset(stems) | frozenset(phrase_of(product_type))


def _ends_in_goods(product_type: str, words: Lexicon) -> bool:
    """Whether a product type ends in goods that the lexicon knows: a `lamp shade` is no lamp."""
    goods = words.find_goods(product_type)
    return bool(goods) and goods[-1].end == len(product_type) and goods[-1].name not in patterns("en").names.generic


def _whom(noun: str, speech: Patterns) -> tuple[str, str]:
    """Whom goods are for, where an English noun begins with that, and the rest of the noun."""
    first, _, rest = noun.partition(" ")
    whom = speech.names.whom.get(first.lower().replace("’", "'"), "") if rest else ""
    return whom, rest if whom else noun


def _of_children(facts: tuple[Fact, ...], noun: str) -> tuple[Fact, ...]:
    """The facts without a gender of adults beside children, which contradict each other."""
    children = any(f.role == "age_group" and f.value in _CHILDREN for f in facts) or bool(_CHILD_ZH.search(noun))
    return tuple(f for f in facts if not (children and f.role == "gender" and f.value in _ADULTS))


def _noun(names: Mapping[str, str], words: Lexicon, titled: bool = False) -> tuple[str, str, str]:
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


def _longer(noun: str, named: Mapping[str, str], brand: str, words: Lexicon) -> str:
    """The part of a Chinese title that ends in the noun, or in a longer word for the same, without the brand."""
    last = patterns("zh").names.ends
    parts = [part.removeprefix(brand) for part in named["title"].split()]
    for part in parts:
        ends = part.endswith(noun) or (part.startswith(noun) and bool(words.find_goods(part)) and part[-1] in last)
        if ends and len(noun) < len(part) <= _LONGEST_ZH and part[0] not in "-+（(":
            return part
    first = parts[0] if parts and parts[0] else ""
    goods = words.find_goods(first) if len(parts) > 1 and noun not in named["title"] else ()
    if goods and goods[-1].end == len(first) and len(noun) <= len(first) <= _LONGEST_ZH:
        return first
    if (longer := re.search(rf"{re.escape(noun)}[{last}]", named["title"])) and noun[-1] not in last:
        return longer[0]
    return noun


def _number(noun: str, key: str, plural: frozenset[str], mass: frozenset[str]) -> tuple[bool, bool]:
    """Whether an English noun is plural, and whether it cannot be counted."""
    head = re.split(r" (?:for|with|in|of|from|to) |\(|,", noun)[0].strip()
    tail = head.split()[-1] if head else ""
    singular = tail.lower() in patterns("en").names.singular or tail.endswith(("us", "is"))
    ends_in_s = bool(re.search(r"[^s]s$", tail)) and not singular
    joined = bool(re.search(r"\w (?:and|or|&) \w", noun))
    is_plural = ends_in_s or (key in plural and not key.endswith("s"))
    return is_plural, (not is_plural and (key in mass or joined))


def _details(attributes: Mapping[str, str | None], name: str, language: str) -> tuple[str, ...]:
    """The sentences of the shop's own description that say more than the name, and are no appeals."""
    about = one_line(said(DESCRIPTION, attributes.get(DESCRIPTION)))
    sentences = dict.fromkeys(m[0].strip(" .。") for m in _SENTENCE.finditer(about))
    fitting = (s for s in sentences if _SHORTEST_DETAIL[language] <= len(s) <= _LONGEST_DETAIL[language])
    clear = (s for s in fitting if is_printable(s) and not _ADDRESSED.search(s))
    return tuple(s for s in clear if not repeats(name, s, language))[:_DETAILS]


def _shelf(named: Mapping[str, str], noun: str, language: str) -> Iterator[Fact]:
    """Category and department where they say more than the name."""
    labels = patterns(language).labels
    told = noun
    for column in ("category", "department", "division"):
        value = named[column]
        if value and not holds(told, value, language):
            told = f"{told} {value}"
            yield Fact(column, labels[column], value, lowered(value) if language == "en" else value)


def _known_lowered(text: str, words: Lexicon, known: frozenset[str]) -> str:
    """The words of the lexicon, of titles and of the facts in small letters; others may be names."""
    titles = patterns("en").names.titles

    def small(match: re.Match[str]) -> str:
        word = match[0]
        is_word = stem(word) in words.vocabulary or stem(word) in known or word.lower() in titles or is_english(word)
        return lowered(word) if is_word else word

    return re.sub(r"[^\W\d_][\w'’]*", small, text)


__all__ = ["OWN_LABEL", "SHELF", "Fact", "Goods", "capital", "holds", "lowered", "understand"]
