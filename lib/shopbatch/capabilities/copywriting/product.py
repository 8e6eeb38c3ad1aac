"""Interprets a product's attributes for the planner: what the product is, and its facts, the most interesting first.

This file has the part that is common to all languages and the Chinese part; product_en.py has the English part. Called
by `plan.py`, which puts the facts into sentences.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from shopbatch.capabilities.copywriting.fact import OWN_LABEL, Fact
from shopbatch.capabilities.copywriting.goods import (
    BOOKS,
    EDIBLE,
    PLAINEST,
    SHELF,
    Goods,
    any_name,
    noun_of,
    of_children,
    or_book,
    shelf_of,
)
from shopbatch.capabilities.copywriting.patterns import patterns
from shopbatch.capabilities.copywriting.product_en import in_english
from shopbatch.capabilities.copywriting.prompt import one_line
from shopbatch.capabilities.copywriting.rules import is_printable
from shopbatch.capabilities.copywriting.same import holds, repeats
from shopbatch.capabilities.copywriting.values import facts_of
from shopbatch.capabilities.copywriting.wording import capital, lowered
from shopbatch.grounding.facts import DESCRIPTION, said
from shopbatch.grounding.lexicon import Lexicon, lexicon

_WORN = frozenset({"tops", "bottoms", "dresses", "outerwear", "underwear", "swimwear"})
_SENTENCE = re.compile(r"[^.。!！?？]+(?:\.(?=\S)[^.。!！?？]*)*")
_LONGEST_DETAIL = {"en": 110, "zh": 45}  # maximum characters of a sentence of the shop's own description
_DETAILS = 3  # maximum sentences of the shop's own description
_SHORTEST_DETAIL = {"en": 4, "zh": 3}
_ADDRESSED = re.compile(
    r"\b(?:you|your|we|our|us|i|my|now|today|please|click|see|price|sale"
    r"|(?<=% )off|off(?= (?:all|the|selected))|new|free|at least|guaranteed?)\b"
    r"|[$€£¥%我你您]",
    re.I,
)
# sentences that are preferred to others: warnings, and instructions before ordering or use
_WARNS = re.compile(
    r"^(?:please )?(?:ask|check|consult|measure|do not|don't|never|always|not suitable"
    r"|keep (?:away|out)|avoid|read|cut)\b"
    r"|\b(?:doctor|pharmacist|pregnan\w+|medication|choking|warnings?|caution|hazard|before ordering)\b",
    re.I,
)
_APPEAL = re.compile(r"\b(?:price|sale|click|now|today|guaranteed?)\b|%|[$€£¥]", re.I)
_INSTRUCTS = re.compile(
    r"^(?:apply|charge|clean|decant|fit|hand[- ]?wash|machine[- ]?wash|mount|place|remove|rinse|serve|shake|soak"
    r"|store|use|wash|wipe)\b",
    re.I,
)
_STEP = re.compile(r"\s*(?:>|»|›|→|\|)\s*")  # separators of a category path
_PIECES_ZH = re.compile(r"(?<![\d.])(\d{1,4}) ?[只支枚张个片件条双套对卷包盒](?:装|(?![\u4e00-\u9fff]))")  # 5只装
_LONGEST_ZH = 9  # maximum characters of a noun


def understand(attributes: Mapping[str, str | None], language: str) -> Goods:
    """Derive from a product's attributes what the planner writes about: name, noun, kind and facts.

    Called once for each product by the planners of copy and ads.

    Args:
        attributes: The product's attributes, as `facts.known_facts` returns them.
        language: One of `lexicon.LANGUAGES`.

    Returns:
        The product, with its facts (the most interesting first) and sentences of the shop's own description that copy
        may repeat.
    """
    words = lexicon(language)
    named = {n: one_line(_last_step(n, said(n, attributes.get(n)))) for n in PLAINEST}
    name = next((v for n in ("title", *PLAINEST) if (v := named[n])), "")
    details = _details(attributes, name, language)
    facts = tuple(facts_of(attributes, language))
    brand = one_line(said("brand", attributes.get("brand")))
    if language == "zh":
        return _in_chinese(named, name, facts, details, brand, words)
    return in_english(named, facts, details, brand, words)


def _in_chinese(
    named: Mapping[str, str], name: str, facts: tuple[Fact, ...], details: tuple[str, ...], brand: str, words: Lexicon
) -> Goods:
    """Build the Goods of a product for Chinese copy.

    Args:
        named: The product's names by column of PLAINEST; "" where one is missing.
        name: The name for the headline.
        facts: The facts; category and department are added here.
        details: Sentences of the shop's own description that copy may repeat.
        brand: The brand; "" if none is stated.
        words: The Chinese lexicon.
    """
    noun, kind, key = noun_of(named, words)
    kind = or_book(kind, facts)
    only_named = not noun
    noun = noun or any_name(named)
    only_named = only_named and noun == named["title"]
    facts = (*facts, *shelf_of(named, noun, "zh"))
    entries = words.words.kinds[kind]
    measure = entries.measure.get(key, entries.measure.get("default", patterns("zh").kinds[kind].measure or "款"))
    packed = kind in EDIBLE or any(f.role == "package_size" for f in facts) or _is_counted(name, facts)
    packed = packed or (noun.endswith("笔记本") and not any(f.role in ("memory", "storage", "screen") for f in facts))
    worn = kind in _WORN or measure != "件"
    measure = measure if noun.endswith(key) and worn and not packed else "款"
    noun = noun if only_named else _longer(noun, named, brand, words)
    colour = next((f.shown for f in facts if f.role == "colour"), "")
    name = re.sub(rf"\s+{re.escape(colour)}$", "", name) if colour else name
    name = f"《{name}》" if kind == BOOKS and named["title"] and not re.search("[《》「]", name) else name
    held = name if kind == BOOKS else f"{name} {noun}"
    kept = named["product_type"] if named["product_type"] not in held else ""
    return Goods(name, noun, kind, of_children(facts, noun), measure=measure, only_named=only_named, details=details,
                 type_name=kept)  # fmt: skip


def _is_counted(name: str, facts: Sequence[Fact]) -> bool:
    """Return True if a Chinese title or a fact states that a pack has several pieces ("5只装")."""
    texts = (name, *(f.shown for f in facts if f.label in ("规格", "数量", "张数", "件数")))
    return any(int(m[1]) > 1 for text in texts for m in _PIECES_ZH.finditer(text))


def _last_step(column: str, value: str) -> str:
    """Return the last step of a category path; a title is returned unchanged.

    Example: "Clothing Accessories > Scarves" -> "Scarves".
    """
    steps = [step.strip() for step in _STEP.split(value)] if column != "title" else []
    return next((step for step in reversed(steps) if step), value)


def _longer(noun: str, named: Mapping[str, str], brand: str, words: Lexicon) -> str:
    """Return a longer Chinese noun for the product if the title has one, else the noun itself.

    The longer noun is the part of the title, without the brand, that ends in the noun or in a longer word for the same
    product.
    """
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


def _details(attributes: Mapping[str, str | None], name: str, language: str) -> tuple[str, ...]:
    """Return up to `_DETAILS` sentences of the shop's own description that planned copy may repeat.

    Left out are sentences that are too short or too long, that only repeat the name, and advertising appeals (prices,
    "you", "now"). Warnings are always preferred.
    """
    about = one_line(said(DESCRIPTION, attributes.get(DESCRIPTION)))
    sentences = dict.fromkeys(m[0].strip(" .。") for m in _SENTENCE.finditer(about))
    fitting = (s for s in sentences if _SHORTEST_DETAIL[language] <= len(s) <= _LONGEST_DETAIL[language])
    clear = (s for s in fitting if is_printable(s) and (_warns(s) or not _ADDRESSED.search(s)))
    every = [s for s in clear if not repeats(name, s, language)]
    kept = sorted(sorted(every, key=lambda s: not _warns(s))[:_DETAILS], key=every.index)
    return tuple(kept)


def instructs(sentence: str) -> bool:
    """Return True if a sentence tells the buyer what to do, so that it does not describe the product."""
    return _warns(sentence) or bool(_INSTRUCTS.search(sentence))


def _warns(sentence: str) -> bool:
    """Return True if a sentence is a warning or an instruction before use, and no advertising appeal."""
    return bool(_WARNS.search(sentence)) and not _APPEAL.search(sentence)


__all__ = [
    "BOOKS",
    "EDIBLE",
    "OWN_LABEL",
    "SHELF",
    "Fact",
    "Goods",
    "capital",
    "holds",
    "instructs",
    "lowered",
    "understand",
]
