"""Makes the bullets of planned copy ("Material: Cotton"); facts that the description leaves out come first."""

from __future__ import annotations

import re
from collections.abc import Sequence

from shopbatch.capabilities.copywriting.copy_format import MOST_BULLETS
from shopbatch.capabilities.copywriting.fact import Fact
from shopbatch.capabilities.copywriting.facts import cut
from shopbatch.capabilities.copywriting.patterns import Patterns, fill, patterns
from shopbatch.capabilities.copywriting.product import SHELF, Goods, holds
from shopbatch.capabilities.copywriting.wording import UNITS, capital

_FEWEST, _WANTED = 2, 3  # minimum number of bullets, and the number to reach with brand and category
_GOES_ON = {
    "en": re.compile(r"(?:with|made|woven|knitted|lined|cut(?! (?:to|it|them|into|off|out|along)\b))\b", re.I),
    "zh": re.compile("[带配含]|采用|内置|附"),
}
_OF_COURSE = frozenset({"adult", "adults", "成人"})
_JOINED = 180  # maximum letters of a bullet that joins several facts
_LAST = ("brand", *SHELF)  # roles that are shown only if there are few bullets; the headline has the brand


def bullets(goods: Goods, stated: Sequence[Fact], language: str, most: int, headline: int) -> list[str]:
    """Return the bullets of a product, two to MOST_BULLETS.

    The order is: facts that the description leaves out, sentences of the shop's own description, the product type,
    facts that the description states. Brand and category are added only if there are too few bullets. If there are too
    many, the last bullet joins several facts.

    Args:
        goods: The product.
        stated: Facts that the description states.
        language: One of `lexicon.LANGUAGES`.
        most: Maximum length of a bullet in characters.
        headline: Maximum length of the headline in characters; a longer product name becomes a bullet.
    """
    speech = patterns(language)
    said = [
        f for f in goods.facts if f in stated or (f.value and holds(f"{goods.whom} {goods.noun}", f.value, language))
    ]
    new = [f for f in goods.facts if f not in said and f.role not in _LAST and f.value not in _OF_COURSE]
    known = [f for f in goods.facts if f not in new and f.role not in _LAST]
    known.sort(key=lambda f: f.value in _OF_COURSE)
    lines = [_bullet(f, speech, most) for f in new]
    in_sentence = stated_details(goods, language)
    details = [capital(d) for d in goods.details if d != in_sentence and len(d) <= most]
    over = language == "en" and bool(details) and len(new) + len(details) > MOST_BULLETS
    room = MOST_BULLETS - len(details) - over
    lines = [*lines[:room], *details, *lines[room:]]
    lines += [_line(speech, speech.labels["noun"], goods.type_name, most)] if goods.type_name else []
    lines += [_bullet(f, speech, most) for f in known]
    if len(lines) > MOST_BULLETS:
        last_ones = (
            lines[MOST_BULLETS - 1 :] if over or len(new) > MOST_BULLETS else lines[MOST_BULLETS - 1 : MOST_BULLETS]
        )
        lines = [*lines[: MOST_BULLETS - 1], _joined(last_ones, language, min(_JOINED, most))]
    last = sorted((f for f in goods.facts if f.role in _LAST), key=lambda f: _LAST.index(f.role))
    wanted = _FEWEST if language == "zh" else _WANTED
    lines += [_bullet(f, speech, most) for f in last][: max(wanted - len(lines), 0)]
    if len(goods.name) > headline:  # the headline shows only its beginning
        lines = [_line(speech, speech.labels["name"], goods.name, most), *lines[: MOST_BULLETS - 1]]
    noun = "" if goods.only_named else goods.ranged or goods.noun
    name = goods.name if len(goods.name) <= headline else ""
    for part, value in (("noun", noun), ("name", name)):
        if len(lines) < _FEWEST and value:
            lines.append(_line(speech, speech.labels[part], value, most))
    if len(lines) < _FEWEST:
        lines.append(speech.page)
    return _apart(list(dict.fromkeys(lines)))


def _apart(lines: list[str]) -> list[str]:
    """Swap Chinese bullets where a number would be read together with the first character of the next bullet.

    Example: 升 (litre) after "2160". Changes the list in place and returns it.
    """
    for n in range(len(lines) - 2):
        if lines[n][-1].isdigit() and lines[n + 1][0] in "升米克斤两寸度片只支枚包袋瓶盒件双条张":
            lines[n + 1], lines[n + 2] = lines[n + 2], lines[n + 1]
    return lines


def stated_details(goods: Goods, language: str) -> str:
    """Return the shop's own sentence that can continue a sentence about the product ("With a hood and two pockets").

    It is the first of `goods.details` that begins with "with", "made" or a similar word; "" if none does.
    """
    return next((d for d in goods.details if _GOES_ON[language].match(d)), "")


def _bullet(fact: Fact, speech: Patterns, most: int) -> str:
    """Return a fact as a bullet of at most `most` characters."""
    return capital(fact.shown) if fact.bare else _line(speech, fact.label, fact.shown, most)


def _line(speech: Patterns, label: str, value: str, most: int) -> str:
    """Return "label: value" with the punctuation of the language.

    The value is cut so that the bullet has at most `most` characters.
    """
    value = cut(value, most - len(label) - 2)
    unit = re.split(r"[,/ ]", value)[0] in UNITS  # units such as g keep their lower case
    return fill(speech.bullet, {"label": capital(label), "value": value if unit else capital(value)})


def _joined(lines: Sequence[str], language: str, most: int) -> str:
    """Join bullets into one, as many as fit into `most` characters; the first is always included."""
    joined = lines[0]
    for line in lines[1:]:
        if len(joined) + len(line) + 2 <= most:
            joined = f"{joined}；{line}" if language == "zh" else f"{joined}; {line}"
    return joined
