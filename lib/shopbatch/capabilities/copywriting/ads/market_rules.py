"""Claims that ads for a market may not make, and words that only an offer may say (market_rules.yaml)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Literal, NamedTuple

from shopbatch.capabilities.copywriting.ads.channels import PACKAGE
from shopbatch.capabilities.copywriting.ads.offers import Offer
from shopbatch.core.hashing import digest
from shopbatch.grounding.check import Facts
from shopbatch.text.letters import LATIN
from shopbatch.text.quantities import fold_width
from shopbatch.text.word_files import WordFile, read_words


class _Both(WordFile):
    en: str
    zh: str


class _Rule(WordFile):
    """The fields are explained in market_rules.yaml."""

    name: str
    markets: tuple[str, ...]
    unless: Literal["", "fact", "terms", "former"]
    en: str
    zh: str


class _RulesFile(WordFile):
    groups: dict[str, tuple[str, ...]]
    offer_words: _Both
    rules: tuple[_Rule, ...]


class Broken(NamedTuple):
    """A claim that may not be made: the name of its rule, and its words."""

    rule: str
    span: str


@lru_cache(maxsize=1)
def _rules() -> _RulesFile:
    return read_words(_RulesFile, PACKAGE, "market_rules.yaml")


@lru_cache(maxsize=1)
def rules_digest() -> str:
    """Digest of all rules."""
    return digest(_rules().model_dump(mode="json"))


@lru_cache(maxsize=256)
def _patterns(market: str, language: str) -> tuple[tuple[_Rule, re.Pattern[str]], ...]:
    listed = _rules()
    names = {market, "all", *(group for group, members in listed.groups.items() if market in members)}
    return tuple((rule, _compiled(rule, language)) for rule in listed.rules if names & set(rule.markets))


def _compiled(words: _Rule | _Both, language: str) -> re.Pattern[str]:
    if language == "zh":
        return re.compile(f"{words.zh}|{_whole(words.en)}", re.I)
    return re.compile(_whole(words.en), re.I)


def _whole(pattern: str) -> str:
    return rf"(?<![{LATIN}0-9])(?:{pattern})(?![{LATIN}0-9])"


@lru_cache(maxsize=8)
def _offer_words(language: str) -> re.Pattern[str]:
    words = _rules().offer_words
    english = rf"(?<![{LATIN}0-9])(?:{words.en})(?![{LATIN}])"
    return re.compile(f"{words.zh}|{english}" if language == "zh" else english, re.I)


def banned_claims(text: str, market: str, language: str, facts: Facts, offer: Offer | None) -> Iterator[Broken]:
    """Find what a text says though the market's rules forbid it.

    Args:
        text: The whole ad, with its offer.
        market: ISO 3166-1 code.
        language: Of the text.
        facts: What is known of the product.
        offer: The offer that the ad states, if any.
    """
    folded = fold_width(text)
    for rule, pattern in _patterns(market, language):
        for match in pattern.finditer(folded):
            is_allowed = (
                (rule.unless == "fact" and match[0].lower() in facts.lower)
                or (rule.unless == "terms" and offer is not None and bool(offer.terms))
                or (rule.unless == "former" and offer is not None and bool(offer.former))
            )
            if not is_allowed:
                yield Broken(rule.name, match[0])


def offer_words(text: str, language: str, facts: Facts) -> Iterator[str]:
    """Find words of prices, reductions and dates outside the offer, unless the product's facts hold them."""
    for match in _offer_words(language).finditer(fold_width(text)):
        if not _is_fact(match[0], language, facts):
            yield match[0]


def _is_fact(words: str, language: str, facts: Facts) -> bool:
    if language == "zh" and not words.isascii():
        return words in facts.text
    return bool(re.search(_whole(re.escape(words.lower())), facts.lower))
