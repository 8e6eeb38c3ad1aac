"""Writes product copy (headline, description, bullets) from templates, for the training examples in `product_copy`.

A text states the product's attributes. All its other words are opinions ("a good choice") or occasions of use; no
number, claim or promise is ever added.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from shopbatch.sample.copy_facts import ProductWords, product_words
from shopbatch.sample.copy_groups import group_of
from shopbatch.sample.copy_words import frames, ideas
from shopbatch.sample.templates import Dice, choose, fill, slots

MOST_WORDS = 88  # most words of headline, description and bullets together
HEADLINE_WORDS = 12
_FACT = {"by": "brand", "brandish": "brand", "size": "size", "amount": "size", "sized": "size"}


def write(dice: Dice, attributes: Mapping[str, str | None]) -> str:
    """Write copy that states all attributes of a product and nothing else.

    Args:
        dice: Source of all random draws.
        attributes: Attributes of the product by name.

    Returns:
        JSON on one line: {"headline": text, "description": text, "bullets": [texts]}.
    """
    what, idea = product_words(attributes), ideas().by_group[group_of(attributes)]
    for attempt in range(8):
        known = _known(dice, what)
        thoughts = _Thoughts(dice, idea.moments, idea.places)
        headline = _headline(dice, what, {**known, **thoughts.draw()})
        description, stated = _description(dice, what, thoughts, attempt > 3)
        bullets = _bullets(dice, what, stated, thoughts)
        text = [headline, description, *bullets]
        if sum(len(t.split()) for t in text) <= MOST_WORDS and len(set(bullets)) == len(bullets):
            break
    return json.dumps({"headline": headline, "description": description, "bullets": bullets}, ensure_ascii=False)


class _Thoughts:
    """Draws occasions and places of use for one text, none of them twice until all are used."""

    def __init__(self, dice: Dice, moments: Sequence[str], places: Sequence[str]) -> None:
        self._dice, self._all = dice, {"moment": moments, "place": places}
        self._unused: dict[str, list[str]] = {}

    def draw(self) -> dict[str, str]:
        """Return {"moment": text, "place": text}, each drawn from those that are still unused."""
        drawn = {}
        for name, every in self._all.items():
            unused = self._unused.get(name) or list(every)
            self._unused[name] = unused
            template = unused.pop(self._dice.below(len(unused)))
            drawn[name] = fill(choose(self._dice, (template,), {}), {})
        return drawn


def _known(dice: Dice, what: ProductWords) -> dict[str, str]:
    """Return {placeholder of the templates: value} for one product.

    How name, brand and size are worded is drawn at random from `what`.
    """
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


def _facts_of(template: str) -> set[str]:
    """Return the names of the facts that a template states, by its placeholders."""
    return {_FACT.get(slot, slot) for slot in slots(template)}


def _headline(dice: Dice, what: ProductWords, known: Mapping[str, str]) -> str:
    known = {k: v for k, v in known.items() if not (what.in_title and k in ("by", "brandish"))}
    for _ in range(12):
        text = _sentence(fill(choose(dice, _fit(frames().headlines, what.barred), known), known))
        if 2 <= len(text.split()) <= HEADLINE_WORDS:
            return text
    return _sentence(" ".join(what.name.split()[:HEADLINE_WORDS]))


def _description(dice: Dice, what: ProductWords, thoughts: _Thoughts, short: bool) -> tuple[str, set[str]]:
    """Write a description of one to three sentences.

    Args:
        dice: Source of all random draws.
        what: Words about the product.
        thoughts: Source of occasions and places of use.
        short: Whether to leave out the middle sentence, because earlier attempts were too long.

    Returns:
        (the description, names of the facts that it states).
    """
    known = {**_known(dice, what), **thoughts.draw()}
    if what.in_title:
        known.pop("brandish", None)
    need = max(0, len(what.facts) - 4)
    opening, stated = "", set[str]()
    for _ in range(20):
        opening = choose(dice, _fit(frames().openings, what.barred), known)
        stated = _facts_of(opening) & what.facts.keys()
        if len(stated) >= min(need, 1):
            break
    sentences = [_sentence(fill(opening, known))]
    known = {**_known(dice, what), **thoughts.draw()}
    known["this"] = known["them"]
    if not short and dice.chance(92):
        sentences.append(_written(dice, dice.one(_fit(frames().middles, what.barred)), known))
    left = {k: v for k, v in known.items() if _FACT.get(k, k) not in stated}
    ends = [t for t in frames().closings if slots(t) <= left.keys() and _facts_of(t) & what.facts.keys()]
    if ends and (need or len(sentences) < 2 or dice.chance(88)):
        closing = choose(dice, ends, known)
        stated = stated | (_facts_of(closing) & what.facts.keys())
        sentences.append(_sentence(fill(closing, known)))
    elif len(sentences) < 2 or dice.chance(60):
        sentences.append(_written(dice, dice.one(_fit(frames().plain_closings, what.barred)), known))
    return " ".join(sentences), stated


def _bullets(dice: Dice, what: ProductWords, stated: set[str], thoughts: _Thoughts) -> list[str]:
    """Write two to four bullets: all facts that the description lacks, some that it states, perhaps an occasion of use.

    Args:
        dice: Source of all random draws.
        what: The product.
        stated: Names of the facts that the description states.
        thoughts: Source of occasions and places.
    """
    rest = _mixed(dice, [f for f in what.facts if f not in stated])
    repeated = _mixed(dice, [f for f in what.facts if f in stated])
    doubles: list[tuple[str, ...]] = []
    for double in frames().double_bullets:
        if len(rest) + len(doubles) > 4 and set(double.facts) <= set(rest):
            rest = [f for f in rest if f not in double.facts]
            doubles.append(double.templates)
    bullets = [_written(dice, dice.one(templates), _known(dice, what)) for templates in doubles]
    target = min(4, max(2 + dice.chance(85), len(rest) + len(doubles) + dice.below(2)))
    chosen = (rest + repeated)[: target - len(doubles)]
    if len(chosen) > 1 and set(chosen) & set(repeated) and dice.chance(50):
        chosen = [f for f in chosen if f in rest] or chosen
    chosen += ["idea"] * (target - len(doubles) - len(chosen))
    for fact in chosen:
        known = {**_known(dice, what), **(thoughts.draw() if fact == "idea" else {})}
        usable = [t for t in _fit(frames().bullets[fact], what.barred) if slots(t) <= known.keys()]
        bullets.append(_written(dice, dice.one(usable), known))
    return [b.rstrip(".") for b in _mixed(dice, bullets)]


@lru_cache(maxsize=64)
def _fit(templates: tuple[str, ...], barred: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(t for t in templates if not any(words in t for words in barred))


def _mixed(dice: Dice, values: Sequence[str]) -> list[str]:
    rest, mixed = list(values), []
    while rest:
        mixed.append(rest.pop(dice.below(len(rest))))
    return mixed


def _written(dice: Dice, template: str, known: Mapping[str, str]) -> str:
    return _sentence(fill(choose(dice, (template,), known), known))


def _sentence(text: str) -> str:
    """Correct "a" to "an" before 8, 11, 18, S, M, L and XL, and capitalise the starts of sentences."""
    text = re.sub(r"\b([Aa]) (?=8|1[18](?!\d)|X*[SLM]\b)", r"\1n ", text)
    text = re.sub(r"(?<=[?!] )[a-z]", lambda m: m[0].upper(), text)
    return text[:1].upper() + text[1:]
