"""Converts the attributes of a product into facts: their role, label, and value for bullets and for sentences.

Called by `product.understand`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from shopbatch.capabilities.copywriting.apt import sayable
from shopbatch.capabilities.copywriting.fact import (
    ABLE,
    MEASURES,
    NATIONAL,
    OWN_LABEL,
    PART,
    SHOWN,
    TOLD,
    Fact,
)
from shopbatch.capabilities.copywriting.parts import part_of
from shopbatch.capabilities.copywriting.patterns import Names, Patterns, patterns
from shopbatch.capabilities.copywriting.prompt import one_line
from shopbatch.capabilities.copywriting.rules import is_printable
from shopbatch.capabilities.copywriting.sayings import of_book, part_with, saying_of
from shopbatch.capabilities.copywriting.spelling import AGES, MATERIALS, WEIGHT, as_list, label_of, neat
from shopbatch.capabilities.copywriting.wording import article, capital, listed, lowered
from shopbatch.grounding.facts import DESCRIPTION, NAMES, answer, entry_name, said
from shopbatch.grounding.lexicon import Lexicon, lexicon

_LONG = frozenset({"dimensions", "height", "width", "depth", "diameter", "thickness"})  # roles whose values are lengths
# roles of which a product may have several values
_LISTED = frozenset({"colour", "flavour", "scent", "connectivity", "gemstone", "movement", "roast", "season"})
# form that a value of a role must have for sentences to state it; others are only bullets
_LOOKS = {
    "capacity": re.compile(r"\d ?(?:m?l|cl|oz|litres?|liters?|cups?|升|毫升|L|mL)\b|\d ?升|\d ?毫升", re.I),
    "power": re.compile(r"\d ?k?W\b|\d ?瓦", re.I),
    "battery": re.compile(r"\d ?(?:mAh|h|hours?|min|days|分钟|天|小时|毫安时?)", re.I),
    "screen": re.compile(r"\d"),
    "length": re.compile(r"\d ?(?:cm|mm|m|in|inch|inches|ft|厘米|米|毫米)\b|^(?!.*\d)", re.I),
    "package_size": re.compile(r"^(?:\d|pack|set|box|case|bag|tray|carton|one\b|a )|\d", re.I),
    "recommended_age": re.compile(r"\d"),
    "storage": re.compile(r"\d ?[GT]B", re.I),
    "memory": re.compile(r"\d ?GB", re.I),
}
_KEPT = frozenset(
    {"brand", "origin", "author", "compatibility", "connectivity", "memory", "storage", "power", "screen"}
)
_SHADE = re.compile(r"[黑白红蓝绿黄紫灰棕粉橙金银青褐米驼杏]$")
_QUANTITY = re.compile(r"[\d.,/ x×*-]+")
_MEASURED = {
    "en": re.compile(
        r"(?:± ?)?[\d.,]+(?: ?[-–x×] ?[\d.,]+){0,2} ?[^\W\d]{1,6}(?:/[a-z]{1,3})?|[248]K|\d+p|\d+ x \d+(?: px)?"
    ),
    "zh": re.compile(r"[^+>(/]*\d ?(?!x)[^\W\d]+[^+>(/]*"),
}  # values that are a measure, such as 2.3 kg
_COLOUR = {"en": 12, "zh": 3}  # maximum letters of a label about the whole product, unlike `Frame colour`
_ABLE_ZH = re.compile(
    r"(?:可|防|免|非|耐|抗|无|不含|零|双面|支持)[\u4e00-\u9fff]{1,5}(?<![网盖袋层板垫带罩窗芯屏门])$"
)  # 可机洗: 是
_DOES_ZH = re.compile(r"(?!是否|可否|含|需)[\u4e00-\u9fff]{4,6}(?<![量数率级式型色])")  # 自动断电: 是
_LOOSE_ZH = re.compile(r"可[\u4e00-\u9fff]{1,3}$")  # 肩带: 可拆卸
_ARROW = re.compile(r"\s+-?>\s+(?=[A-Z])")  # USB-A > USB-C
_LESS = re.compile(r"<(?= ?[\d.])")  # Alcohol: <0.5 %
_YES = re.compile(r"^(?:yes|y)(?:[,;:]| [-–]) +", re.I)  # Waterproof: yes, 5000 mm
_OUTER = re.compile(r"\d[\d.]*(?: x \d[\d.]*){1,2} (?:cm|mm|m)")
_UNIT_LAST = re.compile(r"(?<=\w) (mm|cm|kg|ml|cl|oz|lbs?|mah|wh|g)$", re.I)  # dimensions cm: 58 x 38 x 46
_WRITTEN = {"mah": "mAh", "wh": "Wh"}
_SAYS_ITSELF = re.compile(r"(?:ed|able|ible|less|proof|free|safe|[^i]ic|based|friendly|ready)$|^(?:suitable|made) ")
_FREE_OF = re.compile(r"(?!shipping|delivery|returns?|gifts?|samples?|trial|parking)[a-z]{4,}", re.I)
_UNIT = re.compile(r"[(（]\s*([^()（）\d]{1,12}?)\s*[)）]\s*$")
_LENGTHS = re.compile(r"\d ?(?:mm|cm|m|in|inch|inches|ft)$")
_COUNT = re.compile(r"\d{1,4}")
_LASTING = re.compile(r"\d+(?:[.,]\d+)? ?(?:h|hours?|min|minutes|days)")
_LENGTH_NAMES = frozenset({"length", "item length", "total length", "product length", "overall length"})
_PACK = re.compile(r"(?:pack|set|box|case|bag|tray|pair|bundle)s? of\b", re.I)
_NO_PACK = re.compile(
    r"^a (?:gallon|quart|pint)$|^(?:(?:pack|set|box) of )?1$|^[a-z]{1,2} \d|\d{5}"
    r"|^1 (?:pair|piece|pack|panel|unit|item|set|pc|each|count)$",
    re.I,
)
_PACKS = re.compile(r"\d+/\d+(?:\.\d+)? (?:oz|lb|ct|g|ml)")
_WOVEN = re.compile(r"\d+ ?(?:gsm|g/m2|g/m²)", re.I)
_SLASHED = re.compile(r"\d+(?:/\d+)+")
_STORED = re.compile(r"\d ?[GT]B\b")
_COUNTED = re.compile(r"^(\d+) (load|stem|sheet|roll|slice|wash|dose|pod)(?:e?s)?$")


def facts_of(attributes: Mapping[str, str | None], language: str) -> Iterator[Fact]:
    """Yield the facts of a product without repetitions, the most interesting roles (`fact.TOLD`) first.

    Example: "attributes.weight (g)": "300" becomes a fact with role weight, label "weight" and value "300 g".

    Args:
        attributes: The product's attributes, as `facts.known_facts` returns them.
        language: One of `lexicon.LANGUAGES`.
    """
    made = [fact for a, raw in attributes.items() if (fact := _fact(a, raw, language))]
    order = {role: place for place, role in enumerate(TOLD)}
    seen: set[tuple[str, str]] = set()
    labels: list[tuple[str, str]] = []
    for fact in sorted(made, key=lambda f: (order.get(f.role, 99), f.label, -len(f.shown), f.value)):
        key = (fact.label.lower() if fact.role == SHOWN else fact.role, fact.value.lower())
        twice = any(label == fact.label and (_bare(fact) in shown or shown in _bare(fact)) for label, shown in labels)
        if fact.value and key not in seen and not twice:
            seen.add(key)
            labels.append((fact.label, _bare(fact)))
            yield fact


def _bare(fact: Fact) -> str:
    """Return the shown value of a fact with one spelling of the multiplication sign, for comparison."""
    return re.sub(r"[*xX]", "×", fact.shown)


def _fact(attribute: str, raw: str | None, language: str) -> Fact | None:
    """Convert one attribute into a fact.

    Args:
        attribute: Name of the attribute, as in `grounding.facts`.
        raw: Its value.
        language: One of `lexicon.LANGUAGES`.

    Returns:
        The fact; None for attributes that are names of the product or its description, and for values that are empty or
        cannot be printed.
    """
    name = entry_name(attribute)
    yes_or_no = raw is not None and bool(name) and answer(raw) is not None
    text = raw if raw is not None and yes_or_no else said(attribute, raw)
    if not text or attribute == DESCRIPTION or attribute in NAMES:
        return None
    speech = patterns(language)
    if attribute == "brand" and text.lower() in (OWN_LABEL, NATIONAL):
        own = speech.labels["own_label"]
        return Fact("own_label", speech.labels["brand"], own, own) if text.lower() == OWN_LABEL else None
    label = label_of(" ".join(one_line(name or attribute).replace("_", " ").split()), speech.names)
    label = re.sub(r"^pa (?=\w)", "", label)
    text = _ARROW.sub(" to ", text) if language == "en" else text
    text = one_line(_LESS.sub("‹", text)).replace("‹", "<")
    if not (is_printable(label) and is_printable(text)):
        return None
    if yes_or_no:
        return _answered(label, text, bool(answer(text)), speech.names, language)
    fact = _stated(name, attribute, label, _YES.sub("", text), language)
    return sayable(fact) if fact and language == "en" else fact


def _answered(label: str, text: str, yes: bool, names: Names, language: str) -> Fact:
    """Convert an attribute whose value is yes or no into a fact.

    Examples: "Foldable: yes" -> role ABLE, "foldable"; "Hood: yes" -> role PART, "a hood"; "Hood: no" -> role SHOWN
    (only a bullet shows it).

    Args:
        label: The attribute's name.
        text: The value.
        yes: Whether it means yes.
        names: The word lists.
        language: One of `lexicon.LANGUAGES`.
    """
    text = {"y": "Yes", "yes": "Yes", "n": "No", "no": "No", "true": "Yes", "false": "No"}.get(text.lower(), text)
    if language == "zh":
        if yes and _ABLE_ZH.match(label):
            return Fact(ABLE, label, label, label, True)
        if yes and text in ("有", "带", "含", "配") and not _ABLE_ZH.match(label):
            return Fact(PART, label, text, label)
        if yes and text == "是" and label.startswith("可"):  # 可水洗滤网
            return Fact(PART, label, label, label, True)
        if yes and text in ("是", "支持", "Yes") and _DOES_ZH.fullmatch(label):
            return Fact(ABLE, label, label, label, True)
        return Fact(SHOWN, label, text, text)
    low = lowered(label)
    if yes and (part := part_of(low, "", names)):
        return Fact(PART, label, f"With {part}", part, True)
    if yes and (low in names.able or re.search(names.able_ends, low)):
        return Fact(ABLE, label, capital(low), low, True)
    if yes and _SAYS_ITSELF.search(low):  # Remote included, Suitable for bathroom
        return Fact(SHOWN, label, label, label, True)
    return Fact(SHOWN, label, text, text)


def _stated(name: str, attribute: str, label: str, text: str, language: str) -> Fact | None:
    """Convert an attribute with a value other than yes and no into a fact; None for values that look like fractions.

    The fact has the role SHOWN if no sentence can state it. `name` is the name of an entry of the column `attributes`,
    "" for other columns; `attribute` is the attribute's full name ("attributes.<name>" or the column); `label` and
    `text` are name and value for the bullet.
    """
    speech, words = patterns(language), lexicon(language)
    role = words.role(name or attribute) or lexicon("en").role(name or attribute)
    # 成分 means ingredients, but the material of a shirt
    if role == "ingredients" and label != "配料" and words.knows("material", text):
        role = "material"
    if language == "en" and text.lower() == "free" and _FREE_OF.fullmatch(label):  # Aluminium: free
        return Fact(ABLE, label, capital(f"{lowered(label)}-free"), f"{lowered(label)}-free", True)
    unit = _UNIT.search(label) or (_QUANTITY.fullmatch(text) and _UNIT_LAST.search(label))
    if unit:
        gap = " " if language == "en" else "个" if unit[1] == "月" else ""
        text = f"{text}{gap}{_WRITTEN.get(unit[1].lower(), unit[1])}" if _QUANTITY.fullmatch(text) else text
        label = label[: unit.start()].strip()
    if not name:
        label = speech.labels.get(role, label)
    role = "" if role == "colour" and label.lower() == "shade" else role
    role = "package_size" if label.lower() == "net weight" else role
    role = "storage" if role == "capacity" and _STORED.search(text) else role
    shown = neat(role, text, language)
    if role == "package_size" and language == "en" and _PACK.match(shown):
        return Fact(role, label, shown, _spoken(role, shown, language, speech), True)
    if role == "package_size" and language == "en" and _PACKS.fullmatch(shown):  # 12/7 oz
        return None
    if role == "size":
        return _size(label, shown, language)
    if language == "en" and (fact := _said_in_english(role, label, shown, speech)):
        return fact
    if role == "length" and language == "en" and shown[:1].isdigit() and label.lower() not in _LENGTH_NAMES:
        role = "height" if "height" in label.lower() else ""
    if language == "zh" and _SLASHED.fullmatch(shown):  # the grounding check would read it as a fraction
        return None
    if language == "zh" and label == "页数" and _COUNT.fullmatch(shown):
        return Fact(ABLE, label, shown, f"共{shown}页")
    if role == "flavour" and "note" in label.lower() and "notes" in speech.roles:
        return Fact("notes", label, shown, _spoken(role, shown, language, speech))
    if role == "gemstone" and label.lower() == "crystal":
        role = ""
    if role in MEASURES and _is_measured(role, shown, language):
        if "load" in label.lower() or _WOVEN.fullmatch(shown):
            return Fact(SHOWN, label, shown, shown)
        simple = " " not in label or label.lower().startswith(("item ", "product ", "overall ", "total "))
        return Fact(role if role in speech.roles and simple else "measure", label, shown, shown)
    if role in MEASURES and language == "en":
        role = ""
    about_part = role == "colour" and len(label) > _COLOUR[language]
    if role not in speech.roles or not _fits(role, label, shown, words, speech) or about_part:
        if language == "zh" and _LOOSE_ZH.fullmatch(shown) and re.fullmatch(r"[\u4e00-\u9fff]{2,4}", label):
            return Fact(PART, label, shown, f"{label}{shown}")
        if language == "en" and lowered(label) in speech.names.measured and _MEASURED["en"].fullmatch(shown):
            return Fact("measure", label, shown, shown)
        part = part_of(lowered(label), shown, speech.names)
        return Fact(PART if part else SHOWN, label, shown, part or shown)
    value = _spoken(role, shown, language, speech)
    return Fact(role, label, capital(value) if role == "gender" else shown, value)


def _said_in_english(role: str, label: str, shown: str, speech: Patterns) -> Fact | None:
    """Convert an English attribute that is recognised by its name into a fact; None for all other attributes.

    Examples: "Max load: 120 kg", "Cable length: 1.2 m", the pages of a book.
    """
    low, measured = label.lower(), bool(_MEASURED["en"].fullmatch(shown))
    saying, value = saying_of(label, shown, speech)
    if saying:
        return Fact(saying, label, shown, value)
    if role == "capacity" and low not in speech.names.capacities and measured:
        return Fact(SHOWN if "load" in low else "measure", label, shown, shown)
    if role == "battery" and "battery" not in low and _LASTING.fullmatch(shown):
        return Fact(PART, label, shown, f"{article(lowered(label))} of {shown}")
    if low.startswith("max") and measured and low.partition(" ")[2] in speech.names.measured | speech.names.amounts:
        return Fact("most", label, shown, shown)
    if book := of_book(label, shown):
        return book
    part = part_with(label, shown, speech.names)
    return Fact(PART, label, shown, part) if part else None


def _size(label: str, shown: str, language: str) -> Fact:
    """Convert the attribute size into a fact: "S, M, L" -> "sizes S, M and L".

    A measure ("30 x 40 cm") becomes a fact with the role dimensions. A value of unknown form gets the role SHOWN, so
    that only a bullet shows it.
    """
    parts = [part for part in re.split(r"\s*[,/、，]\s*" if language == "zh" else r"\s*,\s*", shown) if part]
    coded = all(
        re.fullmatch(r"[0-9]{0,2}X{0,3}[SML]|\d{1,3}(?:[.,]5)?|(?:EU|UK|US) ?\d{1,2}|\d{1,2}-\d{1,2}", p) for p in parts
    )
    if language == "en" and label.lower() == "size" and _OUTER.fullmatch(shown):
        return Fact("dimensions", label, shown, shown)
    if not coded or not re.fullmatch(r"sizes?|尺码", label.lower()):
        return Fact(SHOWN, label, shown, shown)
    if language == "zh":
        return Fact("sizes", label, shown, "、".join(parts))
    several = len(parts) > 1 or "-" in parts[0]
    value = f"{'sizes' if several else 'size'} {listed(parts)}"
    return Fact("sizes", "Sizes" if several else label, shown, value)


def _is_measured(role: str, value: str, language: str) -> bool:
    """Return True if a value is a number with a unit that is possible for the role."""
    fits = language == "zh" or role not in _LONG or bool(_LENGTHS.search(value))
    return fits and bool(_MEASURED[language].fullmatch(value))


def _fits(role: str, label: str, value: str, words: Lexicon, speech: Patterns) -> bool:
    """Return True if a value has the form for which the patterns of its role were written.

    Args:
        role: Role of the attribute.
        label: Its name.
        value: Its value as a bullet shows it.
        words: The lexicon of the language.
        speech: The patterns of the language.
    """
    looks = _LOOKS.get(role)
    if value.lower() in speech.spoken.get(role, {}):
        return True
    if role == "connectivity" and " to " in value:
        return False
    if (role == "length" and "," in value) or (role == "sleeve" and value.isupper()):
        return False
    if role == "package_size" and _NO_PACK.search(value):
        return False
    if role == "package_size" and "/" in value and not re.match(r"(?:1/[2-4]|2/3|3/4) ", value):
        return False
    if re.search(r"[+>(（＋]", value) and not (role in AGES and re.fullmatch(r"\d+\+", value)):
        return False
    if role in MATERIALS:
        if words.language == "zh":
            return bool(re.search(r"[\u4e00-\u9fff]", value)) or value in speech.names.made_of
        known = words.knows("material", value) or (role in words.values and words.knows(role, value))
        known = known and not (role == "strap" and "," in value)
        return known and not re.search(r"\b(?:[A-Z]{2,3})\b(?<!EVA|ABS|PVC|TPU|MDF)", value)
    if looks:
        return bool(looks.search(value)) and not re.fullmatch(r"\d+ years?", value)
    if words.language == "zh" and role in ("colour", "flavour", "pattern"):
        return bool(re.fullmatch(r"[\u4e00-\u9fff、/，, ]{1,14}", value)) and value not in speech.names.vague
    plain = r"[^\W\d_]+(?: [^\W\d_]+)?" if role == "colour" else r"[^\W\d_]+(?:[ &-]+[^\W\d_]+){0,3}"
    named = re.search("colou?r|flavou?r|taste|scent|fragrance", label, re.I)
    if words.language == "en" and role in ("colour", "flavour", "scent") and named and re.fullmatch(plain, value):
        return not speech.names.vague & (set(value.lower().split()) - {"and"})
    single = role in words.values and role not in _LISTED
    return words.knows(role, value) and not (single and re.search(r"[\d,;/，；、]", value))


def _spoken(role: str, value: str, language: str, speech: Patterns) -> str:
    """Return a value as a sentence contains it: usually in lower case, several values as a list.

    Args:
        role: Role of the attribute.
        value: Its value as a bullet shows it.
        language: One of `lexicon.LANGUAGES`.
        speech: The patterns of the language, with special forms of values (`Patterns.spoken`).
    """
    known = speech.spoken.get(role, {})
    if (said_as := known.get(value.lower())) is not None:
        return said_as
    value = value.lstrip(" ;,。；，、").rstrip(" .;,。；，、")
    several = role in ("colour", "flavour", "scent") or (role in MATERIALS and role != "strap")
    if language == "zh":
        parts = re.split(r"\s*[/,，、;；]\s*", value) if several else [value]
        if role in MATERIALS:
            parts = [part for whole in parts for part in re.split(r"(?<=%) (?=[\u4e00-\u9fff])", whole)]
        if role == "colour":
            parts = [f"{part}色" if _SHADE.search(part) else part for part in parts]
        return "、".join(parts)
    if role not in _KEPT:
        value = lowered(value)
    if role == "package_size":
        value = re.sub(r"^an? ", "", value).replace("-count and ", "-count, ").replace("-pack and ", "-pack, ")
        value = re.sub(r"(?<=\d) pc$", " pieces", _COUNTED.sub(r"\1-\2", value))
    if role in MATERIALS:
        value = WEIGHT.sub("", value) or value
        value = re.sub(r"\b([a-z]+(?: [a-z]+)?) (\d+ ?%)(?=\s*(?:[,;/]|$))", r"\2 \1", value)  # nylon 94%
        value = re.sub(r"(?<=[a-z]) (?=\d+ ?%)", ", ", value)
    return as_list(value.replace(" & ", " and ") if several else value, several)
