"""What a product is, and what is known of it, as copy can say it: its goods, and its facts in a reader's order.

Called by `plan.py`, which says the facts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from shopbatch.capabilities.copywriting.patterns import Patterns, patterns
from shopbatch.capabilities.copywriting.prompt import one_line
from shopbatch.capabilities.copywriting.rules import is_printable
from shopbatch.capabilities.copywriting.values import OWN_LABEL, Fact, facts_of
from shopbatch.capabilities.copywriting.wording import capital, lowered, titled
from shopbatch.grounding.facts import DESCRIPTION, said
from shopbatch.grounding.lexicon import ANYTHING, Lexicon, lexicon, phrase_of, stem, words_of
from shopbatch.text.expand import expand, title_case

PLAINEST = ("product_type", "title", "category", "department", "division")  # what names the goods, the plainest first
# where a product stands in the shop: shown in a bullet
SHELF = ("own_label", "category", "department", "division")
_CHILDREN = frozenset({"kids", "children", "baby", "babies", "toddlers", "boys", "girls", "儿童", "婴儿", "幼儿"})
_ADULTS, _CHILD_ZH = frozenset({"men", "women", "男士", "女士"}), re.compile("童|宝宝|婴儿")
BOOKS = "books"  # goods of which the title is said and not what they are
_WORN = frozenset({"tops", "bottoms", "dresses", "outerwear", "underwear", "swimwear"})
EDIBLE = frozenset({"drinks", "snacks", "pantry", "fresh"})  # kinds that are sold by weight or volume
_SENTENCE = re.compile(r"[^.。!！?？]+(?:\.(?=\S)[^.。!！?？]*)*")
_LONGEST_DETAIL = {"en": 110, "zh": 45}  # characters of a sentence of the shop's own description
_ADDRESSED = re.compile(
    r"\b(?:you|your|we|our|us|i|my|now|today|please|click|see|price|sale|off|new|free)\b|[$€£¥%我你您]", re.I
)
_STEP = re.compile(r"\s*(?:>|»|›|→|\|)\s*")  # between the groupings of a path
_ASIDE = re.compile(r"[(（].*?(?:[)）]|$)")
_LONGEST_ZH = 9  # characters of a noun
_LONGEST_NOUN = 5  # words of a title up to the goods


@dataclass(frozen=True)
class Goods:
    """A product as it is written about.

    noun: what it is, its name if nothing says that (`only_named`). whom: whom it is for, as the noun says: `men's`.
    plain: whether nothing but the catalogue's own words name it. plural, mass: how the noun agrees (English).
    details: the first sentence of the shop's own description that says more than the name. type_name: the product type
    where neither name nor noun hold it.
    """

    name: str
    noun: str
    kind: str
    facts: tuple[Fact, ...]
    plural: bool = False
    mass: bool = False
    measure: str = ""
    only_named: bool = False
    details: str = ""
    type_name: str = ""
    whom: str = ""
    plain: bool = False

    def value(self, role: str) -> str:
        """The value of a role as a sentence says it, "" if the product has none."""
        return next((f.value for f in self.facts if f.role == role), "")


def understand(attributes: Mapping[str, str | None], language: str) -> Goods:
    """What a product is, and its facts in the order in which a reader wants them."""
    words = lexicon(language)
    named = {n: one_line(_last_step(n, said(n, attributes.get(n)))) for n in PLAINEST}
    plain = {n: _plain(v) if language == "en" else v for n, v in named.items()}
    name = next((v for n in ("title", *PLAINEST) if (v := named[n])), "")
    noun, kind, key = _noun(plain, words)
    only_named = not noun
    if not noun:
        noun = next((v for n in PLAINEST if n != "title" and (v := plain[n])), plain["title"])
        only_named = noun == plain["title"]
    details = _details(attributes, name, language)
    facts = (*facts_of(attributes, language), *_shelf(attributes, plain, noun, language))
    entries = words.words.kinds[kind]
    if language == "zh":
        usual = patterns(language).kinds[kind].measure or "款"
        measure = entries.measure.get(key, entries.measure.get("default", usual))
        packed = kind in EDIBLE or any(f.role == "package_size" for f in facts)
        worn = kind in _WORN or measure != "件"
        measure = measure if noun.endswith(key) and worn and not packed else "款"
        noun = _longer(noun, plain, one_line(said("brand", attributes.get("brand"))), words) if not only_named else noun
        colour = next((f.shown for f in facts if f.role == "colour"), "")
        name = re.sub(rf"\s+{re.escape(colour)}$", "", name) if colour else name
        kept = (
            plain["product_type"] if plain["product_type"] not in (name if kind == BOOKS else f"{name} {noun}") else ""
        )
        facts = _of_children(facts, noun)
        return Goods(name, noun, kind, facts, measure=measure, only_named=only_named, details=details, type_name=kept)
    brand = one_line(said("brand", attributes.get("brand")))
    fuller = _fuller(plain["title"], key, brand, words, patterns(language))
    collective = noun.lower() in patterns(language).names.collective
    if collective:
        fuller = _fuller(plain["title"], "", brand, words, patterns(language))
    elif plain["product_type"] and not _ends_in_goods(plain["product_type"], words):
        fuller = fuller if holds(fuller, noun.split()[-1], language) else ""
    noun = _known_lowered(
        fuller if len(fuller.split()) > len(noun.split()) or (collective and fuller) else noun,
        words,
        facts,
        plain["product_type"],
    )
    whom, noun = _whom(noun, patterns(language))
    bare = re.sub(rf"^{re.escape(brand)}\s+", "", plain["title"], flags=re.I) if brand else plain["title"]
    whom = whom or _whom(bare, patterns(language))[0]
    plural, mass = _number(noun, key, entries.plural, entries.mass)
    mass = mass or (not plural and kind in EDIBLE and any(f.role in ("package_size", "weight") for f in facts))
    shown = _shown_name(name, bool(named["title"]), facts)
    said_so = shown if kind == BOOKS else f"{shown} {noun}"
    tight = plain["product_type"].replace(" ", "").lower() in said_so.replace(" ", "").lower()
    kept = plain["product_type"] if not (tight or holds(said_so, plain["product_type"], language)) else ""
    return Goods(
        shown, shown if only_named else noun, kind, _of_children(facts, noun), plural, mass, "", only_named, details,
        kept, "" if only_named else whom, not named["title"],
    )  # fmt: skip


def _last_step(column: str, value: str) -> str:
    """A grouping without the path to it: `Scarves` of `Clothing Accessories > Scarves`; a title as it is."""
    steps = [step.strip() for step in _STEP.split(value)] if column != "title" else []
    return next((step for step in reversed(steps) if step), value)


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


def _noun(plain: Mapping[str, str], words: Lexicon) -> tuple[str, str, str]:
    """What the names of a product say it is, the kind of these goods, and their name in the lexicon."""
    noun, kind, key = "", ANYTHING, ""
    for column in PLAINEST:
        goods = words.find_goods(_ASIDE.sub(lambda m: " " * len(m[0]), plain[column]))
        if goods:
            last = goods[-1]
            if last.name not in patterns("en").names.generic:
                noun, kind, key = plain[column][last.start : last.end], last.kind, last.name
            break
    if 0 < len(plain["product_type"].split()) <= 8 and not re.search(r"\d", plain["product_type"]):
        noun = plain["product_type"]
    return noun, kind, key


def _longer(noun: str, plain: Mapping[str, str], brand: str, words: Lexicon) -> str:
    """The part of a Chinese title that ends in the noun, or in a longer word for the same, without the brand."""
    last = patterns("zh").names.ends
    parts = [part.removeprefix(brand) for part in plain["title"].split()]
    for part in parts:
        ends = part.endswith(noun) or (part.startswith(noun) and bool(words.find_goods(part)) and part[-1] in last)
        if ends and len(noun) < len(part) <= _LONGEST_ZH and part[0] not in "-+（(":
            return part
    if (longer := re.search(rf"{re.escape(noun)}[{last}]", plain["title"])) and noun[-1] not in last:
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


def _details(attributes: Mapping[str, str | None], name: str, language: str) -> str:
    """The first sentence of the shop's own description that says more than the name, and is no appeal."""
    about = one_line(said(DESCRIPTION, attributes.get(DESCRIPTION)))
    sentences = [m[0].strip(" .。") for m in _SENTENCE.finditer(about)]
    fitting = (s for s in sentences if len(s) <= _LONGEST_DETAIL[language] and not _ADDRESSED.search(s))
    return next((s for s in fitting if len(s) > 3 and is_printable(s) and not _repeats(name, s, language)), "")


def _plain(name: str) -> str:
    """A name of a catalogue in plain words."""
    return (expand(name) or name).strip(" /,-") if name.isupper() and len(name) > 3 else name


def _shown_name(name: str, is_title: bool, facts: Sequence[Fact]) -> str:
    """A title with capitals and without the colour at its end; another name in plain words, with capitals."""
    if is_title:
        colour = next((f.shown for f in facts if f.role == "colour"), "")
        bare = re.sub(rf"[\s,/(-]+{re.escape(colour)}\)?$", "", name, flags=re.I) if colour else name
        name = title_case(bare or name) if name.isupper() else bare or name
        name = re.sub(r"\b((?:[Ww]om|[Mm])en)s\b", r"\1's", name)
        small = [w for w in name.split()[1:] if w.islower() and w.isalpha() and len(w) > 3]
        return titled(name) if small else capital(name)
    return titled(_plain(name)) if name.isupper() or name.islower() else capital(name)


def _fuller(title: str, key: str, brand: str, words: Lexicon, speech: Patterns) -> str:
    """What a title says up to the goods, without brand and names: `Slim Fit Poplin Shirt`; "" if that is not clear."""
    name = re.sub(rf"^{re.escape(brand)}[\s,:-]+", "", title, flags=re.I) if brand else title
    goods = next(
        (g for g in words.find_goods(name) if not key or g.name == key or _same_goods(g.name, key, words)), None
    )
    if goods is None:
        return ""
    before = name[: goods.start]
    kept: list[str] = []
    for word in reversed(before.split()):
        known = word.lower().strip("'’") in _titles(speech) or stem(word) in words.vocabulary
        counts = word.lower() in speech.names.counts or re.search(r"[\d,;:|/()&+]", word)
        if not known or counts or len(kept) == _LONGEST_NOUN - 1:
            break
        kept.insert(0, word)
    while kept and len(kept) < len(before.split()) and kept[0].lower() in speech.names.tails:
        kept.pop(0)
    return " ".join([*kept, name[goods.start : goods.end]])


def _titles(speech: Patterns) -> frozenset[str]:
    return speech.names.titles


def _same_goods(name: str, key: str, words: Lexicon) -> bool:
    """Whether goods of a title are those of the product type by a longer name: a bikini top is a top."""
    also = words.other_names.get(phrase_of(name), frozenset())
    return bool(key) and (set(phrase_of(key)) <= set(phrase_of(name)) or phrase_of(key) in also)


def _shelf(attributes: Mapping[str, str | None], plain: Mapping[str, str], noun: str, language: str) -> Iterator[Fact]:
    """Category and department where they say more than the name."""
    labels = patterns(language).labels
    told = noun
    for column in ("category", "department", "division"):
        value = plain[column]
        if value and not holds(told, value, language):
            told = f"{told} {value}"
            yield Fact(column, labels[column], value, lowered(value) if language == "en" else value)


def holds(name: str, value: str, language: str) -> bool:
    """Whether a name holds all words of a value."""
    if language == "zh":
        return bool(value) and value.removesuffix("色") in name
    tight = value.replace(" ", "").lower()
    said_so = bool(re.match(r"\d", tight)) and bool(
        re.search(rf"(?<!\d){re.escape(tight)}(?!\w)", name.replace(" ", "").lower())
    )
    return bool(value) and (said_so or set(phrase_of(value)) <= set(phrase_of(name)))


def _repeats(name: str, sentence: str, language: str) -> bool:
    """Whether a sentence says little more than a name."""
    if language == "zh":
        return sum(c in name for c in sentence) > len(sentence) / 2
    words = set(phrase_of(sentence))
    return len(words & set(phrase_of(name))) > len(words) / 2


def _known_lowered(text: str, words: Lexicon, facts: Sequence[Fact], kind: str) -> str:
    """The words of the lexicon, of titles and of the facts in small letters; others may be names."""
    names = patterns("en").names
    said_too = {stem(m[0]) for f in facts if f.role != "brand" for m in words_of(f.shown)} | set(phrase_of(kind))

    def small(match: re.Match[str]) -> str:
        word = match[0]
        known = stem(word) in words.vocabulary or stem(word) in said_too or word.lower() in names.titles
        return lowered(word) if known else word

    return re.sub(r"[^\W\d_][\w'’]*", small, text)


__all__ = ["OWN_LABEL", "SHELF", "Fact", "Goods", "capital", "holds", "lowered", "understand"]
