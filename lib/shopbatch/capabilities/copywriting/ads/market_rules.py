"""Finds claims that ads must not make in a market, and words that only the offer may use (market_rules.yaml)."""

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
    """One regular expression for English and one for Chinese."""

    en: str
    zh: str


class _Rule(WordFile):
    """A rule of market_rules.yaml, where the fields are explained."""

    name: str
    markets: tuple[str, ...]
    unless: Literal["", "fact", "terms", "former"]
    en: str
    zh: str


class _RulesFile(WordFile):
    """The content of market_rules.yaml, where the fields are explained."""

    groups: dict[str, tuple[str, ...]]
    offer_words: _Both
    rules: tuple[_Rule, ...]


class Broken(NamedTuple):
    """A claim that an ad must not make.

    Attributes:
        rule: Name of the rule.
        span: The words of the ad.
    """

    rule: str
    span: str


@lru_cache(maxsize=1)
def _rules() -> _RulesFile:
    """Load market_rules.yaml; cached."""
    return read_words(_RulesFile, PACKAGE, "market_rules.yaml")


@lru_cache(maxsize=1)
def rules_digest() -> str:
    """Return the digest of all market rules; stored ads are judged again if it changes."""
    return digest(_rules().model_dump(mode="json"))


@lru_cache(maxsize=256)
def _patterns(market: str, language: str) -> tuple[tuple[_Rule, re.Pattern[str]], ...]:
    """Return the rules of a market with their compiled expressions; cached."""
    listed = _rules()
    names = {market, "all", *(group for group, members in listed.groups.items() if market in members)}
    return tuple((rule, _compiled(rule, language)) for rule in listed.rules if names & set(rule.markets))


def _compiled(words: _Rule | _Both, language: str) -> re.Pattern[str]:
    """Compile the regular expression of a rule for a language; Chinese ads are also searched for English words."""
    if language == "zh":
        return re.compile(f"{words.zh}|{_whole(words.en)}", re.I)
    return re.compile(_whole(words.en), re.I)


def _whole(pattern: str) -> str:
    """Wrap a regular expression so that it matches whole English words only."""
    return rf"(?<![{LATIN}0-9])(?:{pattern})(?![{LATIN}0-9])"


@lru_cache(maxsize=8)
def _offer_words(language: str) -> re.Pattern[str]:
    """Compile the expression of words that only the offer may use; cached."""
    words = _rules().offer_words
    english = rf"(?<![{LATIN}0-9])(?:{words.en})(?![{LATIN}])"
    return re.compile(f"{words.zh}|{english}" if language == "zh" else english, re.I)


def banned_claims(text: str, market: str, language: str, facts: Facts, offer: Offer | None) -> Iterator[Broken]:
    """Yield the claims of an ad that the rules of its market forbid.

    A rule may allow its claim in one case (`_Rule.unless`): the product's attributes contain the same words, or the
    offer has terms, or the offer has a former price.

    Args:
        text: The whole ad as it is sent, with its offer.
        market: ISO 3166-1 code of the country.
        language: ISO 639 code of the text.
        facts: The product's attributes.
        offer: The offer that the ad states; None if there is none.
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
    """Yield the words about prices, reductions and dates in an ad that the product's attributes do not contain.

    Only the offer may use these words. Elsewhere they may be an invented offer, so that the caller refuses the ad.

    Args:
        text: The ad without its offer.
        language: ISO 639 code of the text.
        facts: The product's attributes, whose words are allowed.
    """
    for match in _offer_words(language).finditer(fold_width(text)):
        if not _is_fact(match[0], language, facts):
            yield match[0]


def _is_fact(words: str, language: str, facts: Facts) -> bool:
    """Return True if the product's attributes contain the words."""
    if language == "zh" and not words.isascii():
        return words in facts.text
    return bool(re.search(_whole(re.escape(words.lower())), facts.lower))
