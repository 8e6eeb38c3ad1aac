"""Finds the attributes that a text mentions, and the words that mention them.

The stage of describe_products publishes them in the columns `evidence` and `coverage`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shopbatch.capabilities.copywriting.words import copy_words
from shopbatch.grounding.check import Facts, backed
from shopbatch.grounding.facts import DESCRIPTION, NAMES, entry_name, said
from shopbatch.grounding.lexicon import is_chinese
from shopbatch.text.expand import expand
from shopbatch.text.letters import LATIN
from shopbatch.text.quantities import quantities

_OWN_BRAND = re.compile(
    r"(?:own|store|house|private|shop.s)[- ](?:brand|label)|our (?:brand|label)|自有|自营|自家", re.I
)
_NATIONAL_BRAND = re.compile(r"national(?:ly)?[- ](?:known )?brand|brand(?:ed)? name|name brand|全国", re.I)


@dataclass(frozen=True)
class Mention:
    """Whether, and in which words, a text mentions one attribute of a product.

    Attributes:
        attribute: Name of the attribute, as in `grounding.facts`.
        value: The product's value of the attribute.
        span: The words of the text that mention it, joined by " … "; None if the text does not mention it.
    """

    attribute: str
    value: str
    span: str | None


def mentions(attributes: Mapping[str, str | None], text: str, language: str) -> list[Mention]:
    """Return one Mention for each attribute with a value, except the description.

    An attribute counts as mentioned under these conditions:

    - A size: the text states an equal size.
    - A title or a brand: the text has more than half of its words.
    - The brand values private and national: the text says "own brand" or "national brand".
    - Any other attribute: the text has one of its words, in the singular or plural.

    Args:
        attributes: The product's attributes by name.
        text: The copy.
        language: ISO 639 code of the copy.
    """
    known = {name: said(name, value) for name, value in attributes.items() if name != DESCRIPTION}
    return [Mention(name, value, _span(name, value, text, language)) for name, value in known.items() if value]


def most_specific_name(attributes: Mapping[str, str | None]) -> str:
    """Return the most specific name of a product: title, else product type, category, ...; "" if it has none."""
    return next((v for n in NAMES if (v := said(n, attributes.get(n)))), "")


def names_product(attributes: Mapping[str, str | None], text: str) -> bool:
    """Return True if a text contains more than half of the words of the product's most specific name."""
    words = _words(most_specific_name(attributes))
    return sum(_find(w, text) is not None for w in words) > len(words) / 2


def mentioned_share(mentioned: Sequence[Mention]) -> float:
    """Return the share of attributes that are mentioned, 0 to 1; 1 if there are no attributes."""
    return sum(m.span is not None for m in mentioned) / len(mentioned) if mentioned else 1.0


def _span(name: str, value: str, text: str, language: str) -> str | None:
    """Return the words of the text that mention an attribute; None if it is not mentioned.

    The rules are explained at `mentions`.
    """
    if name == "package_size" or entry_name(name):
        facts = Facts({name: value})
        for q in quantities(text, language):
            if not q.one and (q.sizes or q.number in facts.numbers) and backed(q, facts):
                return text[q.start : q.end]
    if name == "brand" and value.lower() in ("private", "national"):
        match = (_OWN_BRAND if value.lower() == "private" else _NATIONAL_BRAND).search(text)
        return match.group() if match else None
    words = _words(value)
    spans = [m for w in words if (m := _find(w, text))]
    enough = len(spans) > len(words) / 2 if name in ("title", "brand") else bool(spans)
    return " … ".join(dict.fromkeys(spans)) if spans and enough else None


def _words(value: str) -> list[str]:
    """Return the words by which a value is recognised in a text.

    They are in lower case, with abbreviations written out and without common words. A Chinese value gives pairs of
    characters instead.
    """
    if re.search(r"[\u4e00-\u9fff]", value):
        return re.findall(rf"[\u4e00-\u9fff]{{2}}|[{LATIN}0-9]{{3,}}", value) or [value.strip()]
    every = re.findall(rf"[{LATIN}0-9]*[0-9][{LATIN}0-9]*|[{LATIN}]{{3,}}", expand(value).lower())
    common = copy_words().common
    return [w for w in dict.fromkeys(every) if w not in common] or re.findall(f"[{LATIN}0-9]+", value.lower())[:1]


def _find(word: str, text: str) -> str | None:
    """Return the first word of the text that begins with the stem of `word`; None if there is none."""
    if is_chinese(word):
        return word if word in text else None
    stem = re.sub(r"(?:ies|es|s|y)$", "", word) if len(word) > 3 else word
    ending = r"\w{0,4}" if len(word) > 2 else f"(?![{LATIN}0-9])"  # the size M is not the beginning of a word
    match = re.search(rf"(?<![{LATIN}0-9]){re.escape(stem)}{ending}", text, re.I)
    return match.group() if match else None
