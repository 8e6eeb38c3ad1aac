"""Which attributes a text mentions, and in which words: the evidence beside published copy."""

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
    """attribute: its name, as in `grounding.facts`. span: the words of the text that mention it, None if none do."""

    attribute: str
    value: str
    span: str | None


def mentions(attributes: Mapping[str, str | None], text: str, language: str) -> list[Mention]:
    """One Mention for each attribute that says something, but for the description.

    A size is mentioned by an equal size; a brand by its name, or as the shop's own or a national brand; a title by more
    than half of its words; any other attribute by one of its words, in singular or plural.
    """
    known = {name: said(name, value) for name, value in attributes.items() if name != DESCRIPTION}
    return [Mention(name, value, _span(name, value, text, language)) for name, value in known.items() if value]


def most_specific_name(attributes: Mapping[str, str | None]) -> str:
    """The most specific name that a product has, "" if it has none."""
    return next((v for n in NAMES if (v := said(n, attributes.get(n)))), "")


def names_product(attributes: Mapping[str, str | None], text: str) -> bool:
    """Whether a text holds more than half of the words of the product's most specific name."""
    words = _words(most_specific_name(attributes))
    return sum(_find(w, text) is not None for w in words) > len(words) / 2


def mentioned_share(mentioned: Sequence[Mention]) -> float:
    """Share of the attributes that are mentioned, 0 to 1; 1 if there are none."""
    return sum(m.span is not None for m in mentioned) / len(mentioned) if mentioned else 1.0


def _span(name: str, value: str, text: str, language: str) -> str | None:
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
    """The words that stand for a value, with abbreviations written out and without common words."""
    if re.search(r"[\u4e00-\u9fff]", value):
        return re.findall(rf"[\u4e00-\u9fff]{{2}}|[{LATIN}0-9]{{3,}}", value) or [value.strip()]
    every = re.findall(rf"[{LATIN}0-9]*[0-9][{LATIN}0-9]*|[{LATIN}]{{3,}}", expand(value).lower())
    common = copy_words().common
    return [w for w in dict.fromkeys(every) if w not in common] or re.findall(f"[{LATIN}0-9]+", value.lower())[:1]


def _find(word: str, text: str) -> str | None:
    """The first word of the text that begins with this word's stem."""
    if is_chinese(word):
        return word if word in text else None
    stem = re.sub(r"(?:ies|es|s|y)$", "", word) if len(word) > 3 else word
    ending = r"\w{0,4}" if len(word) > 2 else f"(?![{LATIN}0-9])"  # M is no word that begins with m
    match = re.search(rf"(?<![{LATIN}0-9]){re.escape(stem)}{ending}", text, re.I)
    return match.group() if match else None
