"""Planted cases for a grounding check of product copy: texts with one fabricated claim, and faithful ones.

A case is a product's attributes and two or three sentences about it, in English or Chinese. A fabricated text holds one
claim that the attributes do not back. A faithful text is backed, or says nothing that needs backing, however much it
looks like a claim. The sentences are written by hand, in english_fabricated.yaml and its three siblings; the sentences
before and after them are drawn from the frames below, which name the product and claim nothing.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.grounding.products import PRODUCTS

KINDS = ("number", "size", "brand", "material", "certification", "health", "environment", "price", "promise")

_OPENINGS = {
    "en": (
        "Looking for {name}? You are in the right place.",
        "Make room for {name}.",
        "Here is a simple answer for anyone who needs {name}.",
        "Some things just work, and {name} can be like that.",
        "Say hello to {name} you will enjoy.",
        "There is always a good moment for {name}.",
        "Think {name}, without the fuss.",
        "Keep {name} close at hand.",
        "Add {name} to the list.",
        "For home, for guests, for you: {name}.",
        "When the list says {name}, start here.",
        "This is our pick when it comes to {name}.",
        "Small things can lift the day, {name} included.",
        "Good days and busy days alike call for {name}.",
    ),
    "zh": (
        "想买{name}？就从这里开始。",
        "给家里添上{name}吧。",
        "说到{name}，不妨看看这一款。",
        "日子要过得顺手，少不了{name}。",
        "{name}，简单就好。",
        "把{name}放进购物清单吧。",
        "今天想和大家聊聊{name}。",
        "需要{name}的时候，选它就好。",
        "平常日子里，也值得有{name}相伴。",
        "喜欢{name}的朋友看过来。",
        "{name}，自用待客都合适。",
        "忙碌的一天，有{name}就很好。",
        "挑{name}，不必太费心。",
        "生活里的小确幸，也许就是{name}。",
    ),
}
_CLOSINGS = {
    "en": (
        "Made for ordinary days.",
        "It is as simple as that.",
        "Add it to your basket today.",
        "What is not to like?",
        "A welcome sight after a long day.",
        "Just the way you like it.",
        "Ready when you are.",
        "Nothing complicated.",
        "You will know what to do.",
        "Treat yourself, or someone you like.",
        "See you at the table, or wherever the day takes you.",
        "Easy does it.",
    ),
    "zh": (
        "喜欢就带回家吧。",
        "简单，却很贴心。",
        "随时都合适。",
        "你会喜欢的。",
        "日常就该这样轻松。",
        "全家都会喜欢。",
        "不妨试试看。",
        "省心又顺手。",
        "让每天多一点好心情。",
        "就是这么简单。",
        "剩下的，交给时间。",
        "自己留着，或者送给喜欢的人。",
    ),
}
_PLANTED = re.compile(r"\[(.+?)\]")


@dataclass(frozen=True)
class Case:
    """kind: of the planted claim, or the kind that a faithful text could be taken for.

    text: two or three sentences. planted: the fabricated part of the text; None if the text is faithful.
    """

    name: str
    language: str
    kind: str
    attributes: dict[str, str | None]
    text: str
    planted: str | None


def cases(seed: int = 7) -> list[Case]:
    """All cases. seed: of the frames; the sentences and the products are the same for every seed."""
    rng = random.Random(seed)
    planted = []
    for language, prefix in (("en", "english"), ("zh", "chinese")):
        fabricated, faithful = (_sentences_by_kind(f"{prefix}_{what}") for what in ("fabricated", "faithful"))
        for kind in KINDS:
            planted += _cases_of(fabricated[kind], language, kind, f"{language}-{kind}", rng)
            planted += _cases_of(faithful[kind], language, kind, f"{language}-{kind}-faithful", rng)
    return planted


def _sentences_by_kind(name: str) -> dict[str, list[dict[str, str]]]:
    return dict(yaml.safe_load(Path(__file__).with_name(f"{name}.yaml").read_text("utf-8")))


def _cases_of(listed: list[dict[str, str]], language: str, kind: str, name: str, rng: random.Random) -> list[Case]:
    planted = []
    for number, ((key, marked),) in enumerate((entry.items() for entry in listed), 1):
        product, claim = PRODUCTS[key], _PLANTED.search(marked)
        sentence = _PLANTED.sub(r"\1", marked)
        text = _framed(sentence, language, product.english if language == "en" else product.chinese, rng)
        fabricated = claim.group(1) if claim else None
        planted.append(Case(f"{name}-{number:02}", language, kind, dict(product.attributes), text, fabricated))
    return planted


def _framed(sentence: str, language: str, name: str, rng: random.Random) -> str:
    """The sentence after an opening, before a closing, or between the two."""
    opening, closing = rng.choice(_OPENINGS[language]).format(name=name), rng.choice(_CLOSINGS[language])
    room = 3 - _sentences(sentence)
    shape = rng.randrange(3)
    before = [opening] if shape != 1 and _sentences(opening) <= room else []
    after = [closing] if shape != 0 and len(before) * _sentences(opening) < room else []
    return (" " if language == "en" else "").join([*before, sentence, *after])


def _sentences(text: str) -> int:
    return len(re.findall(r"[.?!](?:\s|$)|[。？！]", text))
