"""Which attributes a text mentions, and with which words: the evidence beside published copy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from shopbatch.grounding.check import Facts, backed
from shopbatch.text.quantities import quantities
from shopbatch.text.spoken import spoken

_SMALL = frozenset(  # words that do not tell one value from another
    [
        "the",
        "and",
        "for",
        "with",
        "from",
        "other",
        "misc",
        "all",
        "not",
        "its",
        "our",
        "set",
        "new",
        "any",
        "per",
        "non",
        "size",
        "type",
        "home",
        "item",
        "items",
        "product",
        "products",
    ]
)
NAMES = ("title", "product_type", "category", "department", "division")  # what names a product, the finest first
_OWN = re.compile(r"(?:own|store|house|private|shop.s)[- ](?:brand|label)|our (?:brand|label)|自有|自营|自家", re.I)
_NATIONAL = re.compile(r"national(?:ly)?[- ](?:known )?brand|brand(?:ed)? name|name brand|全国", re.I)


@dataclass(frozen=True)
class Mention:
    """attribute: column of `products`. span: the words of the text that say it; None: it is not mentioned."""

    attribute: str
    value: str
    span: str | None


def mentions(attributes: Mapping[str, str | None], text: str, language: str) -> list[Mention]:
    """One for each attribute that there is.

    A size is mentioned by an equal one, a brand by its name (or as the shop's own, or a national one), any other by a
    word of its own in either number; of a title more than half of the words must be there.
    """
    return [Mention(name, value, _span(name, value, text, language)) for name, value in attributes.items() if value]


def finest(attributes: Mapping[str, str | None]) -> str:
    """The finest name that a product has; "" if it has none."""
    return next((v for n in NAMES if (v := attributes.get(n))), "")


def named(attributes: Mapping[str, str | None], text: str) -> bool:
    """Whether a text names the product: more than half of the words of its finest name are there."""
    words = _words(finest(attributes))
    return sum(_find(w, text) is not None for w in words) > len(words) / 2


def share(found: list[Mention]) -> float:
    """Share of the attributes that are mentioned, 0 to 1; 1 where there is none."""
    return sum(m.span is not None for m in found) / len(found) if found else 1.0


def _span(name: str, value: str, text: str, language: str) -> str | None:
    if name == "package_size":
        facts = Facts({"package_size": value})
        for q in quantities(text, language):
            if not q.one and (q.sizes or q.number in facts.numbers) and backed(q, facts):
                return text[q.start : q.end]
    if name == "brand" and value.lower() in ("private", "national"):
        found = (_OWN if value.lower() == "private" else _NATIONAL).search(text)
        return found.group() if found else None
    words = _words(value)
    spans = [m for w in words if (m := _find(w, text))]
    enough = len(spans) > len(words) / 2 if name in ("title", "brand") else bool(spans)
    return " … ".join(dict.fromkeys(spans)) if spans and enough else None


def _words(value: str) -> list[str]:
    """Words that stand for a value: as written and as spoken (abbreviations written out), small ones left out."""
    if re.search(r"[\u4e00-\u9fff]", value):
        return re.findall(r"[\u4e00-\u9fff]{2}|[A-Za-z0-9]{3,}", value)
    listed = re.findall(r"[a-z0-9]{3,}|[0-9]+", spoken(value).lower())
    return [w for w in dict.fromkeys(listed) if w not in _SMALL] or re.findall(r"[a-z0-9]+", value.lower())[:1]


def _find(word: str, text: str) -> str | None:
    stem = re.sub(r"(?:ies|es|s|y)$", "", word) if len(word) > 3 else word
    found = re.search(rf"(?<![A-Za-z0-9]){re.escape(stem)}\w{{0,4}}", text, re.I)
    return found.group() if found else None
