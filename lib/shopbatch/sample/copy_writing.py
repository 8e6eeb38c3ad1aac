"""Copy about a product by rules: every word is a phrase that says nothing, or an attribute said another way.

Called by `product_copy`. What is not an attribute is opinion or occasion; no number, claim or promise is ever added.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from shopbatch.sample import copy_frames as frames
from shopbatch.sample.copy_groups import group_of
from shopbatch.sample.copy_ideas_food import FOOD
from shopbatch.sample.copy_ideas_home import THINGS
from shopbatch.sample.templates import Dice, choose, fill, slots
from shopbatch.text.abbreviations import VAGUE
from shopbatch.text.spoken import Size, many, size, spoken, titled

IDEAS = {**FOOD, **THINGS}
MOST_WORDS = 88  # of headline, description and bullets together
HEADLINE_WORDS = 12
_FACT = {"by": "brand", "brandish": "brand", "size": "size", "amount": "size", "sized": "size"}
_OWN = (
    ("our own label", "own-label"), ("the store brand", "store-brand"), ("a private label", "private-label"),
    ("our store brand", "store-brand"), ("our private label", "private-label"), ("the own label", "own-label"),
)  # fmt: skip
_NATIONAL = (("a national brand", "national-brand"),)
_SOBER = frozenset(("health", "smoke", "household"))


@dataclass(frozen=True)
class Said:
    """What copy may say. name, this: the product. facts: kind, category, ...: how each is said; brand, size: to "
    "vary."""

    name: str
    this: tuple[str, ...]
    plural: bool
    facts: Mapping[str, str]
    brand: tuple[tuple[str, str], ...]
    size: Size | None
    in_title: bool  # the brand is
    barred: tuple[str, ...]  # parts of templates that are not said of it


def said(attributes: Mapping[str, str | None]) -> Said:
    """How a product's attributes are said; those that the name says already are left out."""
    value = {column: (attributes.get(column) or "").strip() for column in ("title", "brand", "package_size")}
    title = titled(value["title"])
    facts = {
        "kind": spoken(attributes.get("product_type") or "", "or"),
        "category": spoken(attributes.get("category") or ""),
        "department": spoken(attributes.get("department") or ""),
        "division": spoken(attributes.get("division") or ""),
    }
    name, this, plural = _named(title, facts)
    kept: dict[str, str] = {}
    for fact, words in facts.items():
        known = kept.values() if title else (name, *kept.values())
        if words and not any(_words(words) <= _words(k) for k in known):
            kept[fact] = words
    brand = _brand(value["brand"])
    measure = size(value["package_size"]) if value["package_size"] else None
    if brand:
        kept["brand"] = brand[0][0]
    if measure:
        kept["size"] = measure.shown[0]
    in_title = bool(value["brand"]) and value["brand"].lower() in title.lower()
    group = group_of(attributes)
    barred = frames.WARM if group in _SOBER else () if group in FOOD else frames.NOT_OF_THINGS
    return Said(name, this, plural, kept, brand, measure, in_title, barred)


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))


def _named(title: str, facts: Mapping[str, str]) -> tuple[str, tuple[str, ...], bool]:
    """(name, name with its article in several ways, whether it is of several things)."""
    if title:
        bare = re.match(r"(?:The|A|An|My|Your|Our|How) ", title)
        return title, (title,) if bare else (title, title, f"the {title}"), many(title)
    kind, category = facts["kind"], facts["category"]
    head = re.split(r"[ (,]+", kind.split(" (")[0])[-1] if kind else ""
    if kind and category and head in VAGUE and kind.lower() not in category.lower():
        inside = kind.replace("(", "").replace(")", "")
        outer = category.replace("(", "").replace(")", "")
        return f"{outer} ({inside})", *_these(f"{outer} ({inside})")
    if kind and head not in VAGUE:
        return kind, *_these(kind)
    thing = category or kind or facts["department"] or facts["division"]
    if category and many(category):
        return category, *_these(category)
    name = f"{thing.replace('(', '').replace(')', '')} items" if thing else "items"
    return name, *_these(name)


def _these(name: str) -> tuple[tuple[str, ...], bool]:
    plural = many(name)
    word = "these" if plural else "this"
    return (f"{word} {name}", f"{word} {name}", f"our {name}", f"the {name}"), plural


def _brand(brand: str) -> tuple[tuple[str, str], ...]:
    """(noun, words before a noun) for each way to say a brand."""
    if not brand:
        return ()
    return {"private": _OWN, "national": _NATIONAL}.get(brand.lower(), ((brand, brand),))


def write(dice: Dice, attributes: Mapping[str, str | None]) -> str:
    """JSON on one line, {"headline", "description", "bullets"}: copy about what the attributes say, and all of it."""
    what, ideas = said(attributes), IDEAS[group_of(attributes)]
    for attempt in range(8):
        known = _known(dice, what)
        thoughts = _Thoughts(dice, ideas.moments, ideas.places)
        headline = _headline(dice, what, {**known, **thoughts.draw()})
        description, told = _description(dice, what, thoughts, attempt > 3)
        bullets = _bullets(dice, what, told, thoughts)
        text = [headline, description, *bullets]
        if sum(len(t.split()) for t in text) <= MOST_WORDS and len(set(bullets)) == len(bullets):
            break
    return json.dumps({"headline": headline, "description": description, "bullets": bullets}, ensure_ascii=False)


class _Thoughts:
    """Ideas drawn for one text, none twice."""

    def __init__(self, dice: Dice, moments: Sequence[str], places: Sequence[str]) -> None:
        self._dice, self._all = dice, {"moment": moments, "place": places}
        self._left: dict[str, list[str]] = {}

    def draw(self) -> dict[str, str]:
        drawn = {}
        for name, every in self._all.items():
            left = self._left.get(name) or list(every)
            self._left[name] = left
            template = left.pop(self._dice.below(len(left)))
            drawn[name] = fill(choose(self._dice, (template,), {}), {})
        return drawn


def _known(dice: Dice, what: Said) -> dict[str, str]:
    """Places to fill, each with one of the ways to say it."""
    single = not what.plural
    known = {k: v for k, v in what.facts.items() if k not in ("brand", "size")}
    known |= {"name": what.name, "this": dice.one(what.this), "s": "s" if single else "", "es": "es" if single else ""}
    known |= {"they": "it", "them": "it", "their": "its", "is": "is", "has": "has"} if single else {
        "they": "they", "them": "them", "their": "their", "is": "are", "has": "have"
    }  # fmt: skip
    known["They"] = known["they"].capitalize()
    if what.brand:
        known["by"], known["brandish"] = dice.one(what.brand)
    if what.size:
        known["size"] = dice.one(what.size.shown)
        if what.size.amounts:
            known["amount"] = dice.one(what.size.amounts)
        if what.size.sized:
            known["sized"] = dice.one(what.size.sized)
    return known


def _told(template: str) -> set[str]:
    return {_FACT.get(slot, slot) for slot in slots(template)}


def _headline(dice: Dice, what: Said, known: Mapping[str, str]) -> str:
    known = {k: v for k, v in known.items() if not (what.in_title and k in ("by", "brandish"))}
    for _ in range(12):
        text = _sentence(fill(choose(dice, _fit(frames.HEADLINES, what.barred), known), known))
        if 2 <= len(text.split()) <= HEADLINE_WORDS:
            return text
    return _sentence(" ".join(what.name.split()[:HEADLINE_WORDS]))


def _description(dice: Dice, what: Said, thoughts: _Thoughts, short: bool) -> tuple[str, set[str]]:
    """Two or three sentences, and the facts that they tell."""
    known = {**_known(dice, what), **thoughts.draw()}
    if what.in_title:
        known.pop("brandish", None)
    need = max(0, len(what.facts) - 4)
    opening, told = "", set[str]()
    for _ in range(20):
        opening = choose(dice, _fit(frames.OPENINGS, what.barred), known)
        told = _told(opening) & what.facts.keys()
        if len(told) >= min(need, 1):
            break
    sentences = [_sentence(fill(opening, known))]
    known = {**_known(dice, what), **thoughts.draw()}
    known["this"] = known["them"]
    if not short and dice.chance(92):
        sentences.append(_said(dice, dice.one(_fit(frames.MIDDLES, what.barred)), known))
    left = {k: v for k, v in known.items() if _FACT.get(k, k) not in told}
    ends = [t for t in frames.CLOSINGS if slots(t) <= left.keys() and _told(t) & what.facts.keys()]
    if ends and (need or len(sentences) < 2 or dice.chance(88)):
        closing = choose(dice, ends, known)
        told = told | (_told(closing) & what.facts.keys())
        sentences.append(_sentence(fill(closing, known)))
    elif len(sentences) < 2 or dice.chance(60):
        sentences.append(_said(dice, dice.one(_fit(frames.PLAIN_CLOSINGS, what.barred)), known))
    return " ".join(sentences), told


def _bullets(dice: Dice, what: Said, told: set[str], thoughts: _Thoughts) -> list[str]:
    """Two to four short forms: every fact that the description left out, some that it told, and perhaps an idea."""
    rest = _mixed(dice, [f for f in what.facts if f not in told])
    again = _mixed(dice, [f for f in what.facts if f in told])
    doubles: list[tuple[str, str]] = []
    for pair in frames.DOUBLES:
        if len(rest) + len(doubles) > 4 and set(pair) <= set(rest):
            rest = [f for f in rest if f not in pair]
            doubles.append(pair)
    bullets = [_said(dice, dice.one(frames.DOUBLES[pair]), _known(dice, what)) for pair in doubles]
    target = min(4, max(2 + dice.chance(85), len(rest) + len(doubles) + dice.below(2)))
    chosen = (rest + again)[: target - len(doubles)]
    if len(chosen) > 1 and set(chosen) & set(again) and dice.chance(50):
        chosen = [f for f in chosen if f in rest] or chosen
    chosen += ["idea"] * (target - len(doubles) - len(chosen))
    for fact in chosen:
        known = {**_known(dice, what), **(thoughts.draw() if fact == "idea" else {})}
        usable = [t for t in _fit(frames.BULLETS[fact], what.barred) if slots(t) <= known.keys()]
        bullets.append(_said(dice, dice.one(usable), known))
    return [b.rstrip(".") for b in _mixed(dice, bullets)]


@lru_cache(maxsize=64)
def _fit(templates: tuple[str, ...], barred: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(t for t in templates if not any(words in t for words in barred))


def _mixed(dice: Dice, values: Sequence[str]) -> list[str]:
    left, mixed = list(values), []
    while left:
        mixed.append(left.pop(dice.below(len(left))))
    return mixed


def _said(dice: Dice, template: str, known: Mapping[str, str]) -> str:
    return _sentence(fill(choose(dice, (template,), known), known))


def _sentence(text: str) -> str:
    """With "an" before 8, 11, 18 and XL, and a capital at its start and after a question."""
    text = re.sub(r"\b([Aa]) (?=8|1[18](?!\d)|X*[SLM]\b)", r"\1n ", text)
    text = re.sub(r"(?<=[?!] )[a-z]", lambda m: m[0].upper(), text)
    return text[:1].upper() + text[1:]
