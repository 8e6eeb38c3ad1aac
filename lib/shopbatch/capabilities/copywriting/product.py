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
from shopbatch.grounding.facts import DESCRIPTION, answer, entry_name, said
from shopbatch.grounding.lexicon import ANYTHING, Lexicon, lexicon, phrase_of, stem, words_of
from shopbatch.text.expand import expand, title_case
from shopbatch.text.sizes import size_phrases

PLAINEST = ("product_type", "title", "category", "department", "division")  # what names the goods, the plainest first
SHOWN = "shown"  # in place of a role: a fact that is shown in a bullet and not told in a sentence
OWN_LABEL = "private"  # in place of a brand: goods of the shop's own label
# facts that a reader wants in a sentence, the first ones first; others are bullets
TOLD = (
    "gender", "age_group", "colour", "material", "pattern", "neckline", "sleeve", "fit", "closure", "flavour",
    "scent", "capacity", "package_size", "skin_type", "hair_type", "upper", "sole", "heel", "toe", "rise", "length",
    "lining", "filling", "roast", "connectivity", "screen", "battery", "power", "storage", "memory", "movement",
    "strap", "gemstone", "finish", "shape", "origin", "author", "recommended_age", "season", "form",
)  # fmt: skip
# attributes that are told if little else is known, all in one pattern: a weight of 2 kg
MEASURES = frozenset({
    "weight", "dimensions", "height", "width", "depth", "diameter", "thickness", "resolution", "noise", "speed",
    "voltage",
})  # fmt: skip
# where a product stands in the shop: told if little else is known
SHELF = ("own_label", "category", "department", "division")
# roles whose values are said of materials
_MATERIALS = frozenset({"material", "lining", "upper", "sole", "filling", "strap"})
# roles of which a product may have several values
_LISTED = frozenset({"colour", "flavour", "scent", "connectivity", "gemstone", "movement", "roast", "season"})
# what a value of a role must look like to be told in a sentence; others are bullets
_LOOKS = {
    "capacity": re.compile(r"\d ?(?:m?l|cl|oz|litres?|liters?|cups?|升|毫升|L|mL)\b|\d ?升|\d ?毫升", re.I),
    "power": re.compile(r"\d ?k?W\b|\d ?瓦", re.I),
    "battery": re.compile(r"\d ?(?:mAh|h|hours?|小时|毫安时?)", re.I),
    "screen": re.compile(r"\d"),
    "length": re.compile(r"\d ?(?:cm|mm|m|in|inch|inches|ft|厘米|米|毫米)\b|^(?!.*\d)", re.I),
    "recommended_age": re.compile(r"\d"),
    "storage": re.compile(r"\d ?[GT]B", re.I),
    "memory": re.compile(r"\d ?GB", re.I),
}
# kept as the shop writes them: names and codes
_KEPT = frozenset({
    "brand", "origin", "author", "movement", "compatibility", "connectivity", "memory", "storage", "power",
    "screen", "strap",
})  # fmt: skip
_EDIBLE = frozenset({"drinks", "snacks", "pantry", "fresh"})  # kinds that are sold by weight or volume
_CODE = re.compile(r"[A-Z]{1,5}s?|.*\d.*|\w+[A-Z]\w*|Hz|[^A-Za-z]+")  # XL, USB, 5G, iPhone
_SHADE = re.compile(r"[黑白红蓝绿黄紫灰棕粉橙金银青褐]$")
_QUANTITY = re.compile(r"[\d.,/ x×*-]+")
_MEASURED = re.compile(r"^[^+>(/]*\d ?(?!x)[^\W\d]+[^+>(/]*$")  # 2.3 kg
_COLOUR = {"en": 12, "zh": 3}  # letters of a label that is about the whole product: not `Frame colour`
_SENTENCE = re.compile(r"[^.。!！?？]+(?:\.(?=\S)[^.。!！?？]*)*")
_LESS = re.compile(r"<(?= ?[\d.])")  # Alcohol: <0.5 %
_UNIT = re.compile(r"[(（]\s*([^()（）\d]{1,12}?)\s*[)）]\s*$")


@dataclass(frozen=True)
class Fact:
    """role: of the lexicon, of SHELF, or SHOWN. label, shown: as a bullet has them. value: as a sentence says it."""

    role: str
    label: str
    shown: str
    value: str


@dataclass(frozen=True)
class Goods:
    """A product as it is written about.

    noun: what it is, its name if nothing says that (`only_named`). plural, mass: how the noun agrees (English).
    details: the first sentence of the shop's own description that says more than the name.
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

    def value(self, role: str) -> str:
        """The value of a role as a sentence says it, "" if the product has none."""
        return next((f.value for f in self.facts if f.role == role), "")


def understand(attributes: Mapping[str, str | None], language: str) -> Goods:
    """What a product is, and its facts in the order in which a reader wants them."""
    words = lexicon(language)
    named = {n: one_line(said(n, attributes.get(n))) for n in PLAINEST}
    plain = {n: _plain(v) if language == "en" else v for n, v in named.items()}
    name = next((v for n in ("title", *PLAINEST) if (v := named[n])), "")
    noun, kind, key = "", ANYTHING, ""
    for column in PLAINEST:
        found = words.find_goods(re.sub(r"[(（].*?(?:[)）]|$)", lambda m: " " * len(m[0]), plain[column]))
        if found:
            last = found[-1]
            kind, key = last.kind, last.name
            noun = plain[column][last.start : last.end]
            break
    if 0 < len(plain["product_type"].split()) <= 6 and not re.search(r"\d", plain["product_type"]):
        noun = plain["product_type"]
    only_named = not noun
    if not noun:
        noun = next((v for n in PLAINEST if n != "title" and (v := plain[n])), plain["title"])
        only_named = noun == plain["title"]
    about = one_line(said(DESCRIPTION, attributes.get(DESCRIPTION)))
    sentences = (m[0].strip(" .。") for m in _SENTENCE.finditer(about))
    details = next((s for s in sentences if is_printable(s) and not _repeats(name, s, language)), "")
    facts = (*_facts(attributes, language), *_shelf(attributes, plain, noun, name, language))
    entries = words.words.kinds[kind]
    if language == "zh":
        usual = patterns(language).kinds[kind].measure or "款"
        measure = entries.measure.get(key, entries.measure.get("default", usual))
        return Goods(name, noun, kind, facts, measure=measure, only_named=only_named, details=details)
    brand = one_line(said("brand", attributes.get("brand")))
    noun = _known_lowered(_fuller(plain["title"], key, brand, words) or noun, words, facts)
    tail = noun.split()[-1] if noun else ""
    weighed = kind in _EDIBLE and any(f.role in ("package_size", "weight") for f in facts)
    ends_in_s = bool(re.search(r"[^s]s$", tail)) and not tail.endswith(("us", "is"))
    plural = ends_in_s or (key in entries.plural and not key.endswith("s"))
    mass = not plural and (key in entries.mass or weighed)
    shown = _shown_name(name, bool(named["title"]))
    return Goods(shown, shown if only_named else noun, kind, facts, plural, mass, "", only_named, details)


def _plain(name: str) -> str:
    """A name of a catalogue in plain words."""
    return (expand(name) or name) if name.isupper() else name


def _shown_name(name: str, is_title: bool) -> str:
    """A title as the shop writes it, unless it shouts; another name in plain words."""
    if not name.isupper():
        return capital(name)
    return title_case(name) if is_title else capital(_plain(name))


def _fuller(title: str, key: str, brand: str, words: Lexicon) -> str:
    """The title without the brand, where it ends in the goods: `Slim Fit Poplin Shirt`; "" for any other."""
    name = re.sub(rf"^{re.escape(brand)}\s+", "", title, flags=re.I) if brand else title
    found = words.find_goods(name)
    ends = bool(found) and found[-1].name == key and found[-1].end == len(name)
    return name if ends and 1 < len(words_of(name)) <= 5 and not re.search(r"\d", name) else ""


def _facts(attributes: Mapping[str, str | None], language: str) -> Iterator[Fact]:
    """The facts that can be said, each once."""
    found = [fact for a, raw in attributes.items() if (fact := _fact(a, raw, language))]
    order = {role: place for place, role in enumerate(TOLD)}
    seen: set[tuple[str, str]] = set()
    for fact in sorted(found, key=lambda f: (order.get(f.role, 99), f.label, f.value)):
        key = (fact.label.lower() if fact.role == SHOWN else fact.role, fact.value.lower())
        if fact.value and key not in seen:
            seen.add(key)
            yield fact


def _shelf(
    attributes: Mapping[str, str | None], plain: Mapping[str, str], noun: str, name: str, language: str
) -> Iterator[Fact]:
    """Category and department where they say more than the name, and whether the brand is the shop's own."""
    labels = patterns(language).labels
    if said("brand", attributes.get("brand")).lower() == OWN_LABEL:
        yield Fact("own_label", labels["brand"], labels["own_label"], labels["own_label"])
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
    return bool(value) and set(phrase_of(value)) <= set(phrase_of(name))


def _repeats(name: str, sentence: str, language: str) -> bool:
    """Whether a sentence says little more than a name."""
    if language == "zh":
        return sum(c in name for c in sentence) > len(sentence) / 2
    words = set(phrase_of(sentence))
    return len(words & set(phrase_of(name))) > len(words) / 2


def _fact(attribute: str, raw: str | None, language: str) -> Fact | None:
    """An attribute as a fact, None for what names the product and what says nothing."""
    name = entry_name(attribute)
    yes_or_no = raw is not None and bool(name) and answer(raw) is not None
    text = raw if raw is not None and yes_or_no else said(attribute, raw)
    if not text or attribute == DESCRIPTION or attribute in PLAINEST:
        return None
    if attribute == "brand" and text.lower() in (OWN_LABEL, "national"):
        return None
    speech, words = patterns(language), lexicon(language)
    label = _unshouted(" ".join(one_line(name or attribute).replace("_", " ").split()))
    text = one_line(_LESS.sub("‹", text)).replace("‹", "<")
    if not (is_printable(label) and is_printable(text)):
        return None
    if yes_or_no:
        text = {"y": "Yes", "n": "No"}.get(text.lower(), text)
        return Fact(SHOWN, label, text, text)
    role = words.role(name or attribute) or lexicon("en").role(name or attribute)
    if role == "ingredients" and words.knows("material", text):  # 成分 of a shirt
        role = "material"
    unit = _UNIT.search(label)
    if unit:
        text = f"{text} {unit[1]}" if _QUANTITY.fullmatch(text) and language == "en" else text
        text = f"{text}{unit[1]}" if _QUANTITY.fullmatch(text) and language == "zh" else text
        label = label[: unit.start()].strip()
    if not name:
        label = speech.labels.get(role, label)
    shown = _spoken_size(text) if role == "package_size" and language == "en" else _unshouted(text)
    if role in MEASURES and _MEASURED.search(text):
        return Fact("measure", label, shown, shown)
    if (
        role not in speech.roles
        or not _fits(role, text, words)
        or (role == "colour" and len(label) > _COLOUR[language])
    ):
        return Fact(SHOWN, label, shown, shown)
    value = _spoken(role, shown, language, speech)
    return Fact(role, label, capital(value) if role == "gender" else shown, value)


def _fits(role: str, value: str, words: Lexicon) -> bool:
    """Whether a value is one that the patterns of its role were written for."""
    looks = _LOOKS.get(role)
    if re.search(r"[+>(（＋]", value):
        return False
    if role in _MATERIALS:
        return (
            words.language == "zh"
            or words.knows("material", value)
            or (role in words.values and words.knows(role, value))
        )
    if looks:
        return bool(looks.search(value))
    listed = role in words.values and role not in _LISTED
    return words.knows(role, value) and not (listed and re.search(r"[\d,;/，；、]", value))


def _unshouted(value: str) -> str:
    """A value in capitals in small letters, with its abbreviations written out; codes stay."""
    shouted = value.isupper() and value.isascii() and re.search(r"[A-Z]{4}", value) and not re.search(r"\d", value)
    return expand(value) or value if shouted else value


def _spoken_size(value: str) -> str:
    return size_phrases(value).shown[0]


def _spoken(role: str, value: str, language: str, speech: Patterns) -> str:
    """A value as it is said in a sentence."""
    known = speech.spoken.get(role, {})
    if (said_as := known.get(value.lower())) is not None:
        return said_as
    value = value.lstrip(" ;,。；，、").rstrip(" .;,。；，、")
    listed = role in ("colour", "flavour", "scent") or role in _MATERIALS
    if language == "zh":
        parts = re.split(r"\s*[/,，、;；]\s*", value) if listed else [value]
        if role == "colour":
            parts = [f"{part}色" if _SHADE.search(part) else part for part in parts]
        return "、".join(parts)
    if role not in _KEPT:
        value = lowered(value)
    parts = re.split(r"\s*[/,;]\s*" if listed and not re.search(r"\d/\d", value) else r"\s*[,;]\s+", value)
    if len(parts) > 1 and " and " not in value:
        value = f"{', '.join(parts[:-1])} and {parts[-1]}"
    return value


def _known_lowered(text: str, words: Lexicon, facts: Sequence[Fact]) -> str:
    """The words of the lexicon and of the facts in small letters; others may be names."""
    said_too = {stem(m[0]) for f in facts if f.role != "brand" for m in words_of(f.shown)}
    return re.sub(
        r"[^\W\d_][\w'’]*",
        lambda m: lowered(m[0]) if stem(m[0]) in words.vocabulary or stem(m[0]) in said_too else m[0],
        text,
    )


def lowered(text: str) -> str:
    """Capitalised words in small letters; codes, acronyms and units stay."""
    return re.sub(r"[A-Za-zÀ-ÖØ-öø-ɏ0-9][\w'’]*", lambda m: m[0] if _CODE.fullmatch(m[0]) else m[0].lower(), text)


def capital(text: str) -> str:
    """A text with a capital first letter, unless it begins like iPhone."""
    return text if re.match(r"[a-z]+[A-Z\d]", text) else text[:1].upper() + text[1:]
