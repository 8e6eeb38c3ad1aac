"""Writes the sentence that tells a shopper why a product fits; `Guide` uses it.

The sentences come from templates (`reasons.yaml`). Each claim quotes a part of the product's row, so that it can be
checked against the catalogue.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from shopbatch.capabilities.search.filters import NEAR, price_of
from shopbatch.capabilities.search.statements import (
    Statement,
    colour_variants,
    phrase_pattern,
    says,
    statements,
    texts,
    value_of,
)
from shopbatch.capabilities.search.understanding.need import Constraint
from shopbatch.capabilities.search.understanding.numbers import split_amount
from shopbatch.capabilities.search.understanding.vocabulary import Vocabulary, key_of
from shopbatch.capabilities.search.variants import KIND, excluded_colours
from shopbatch.text.word_files import WordFile, read_words

VERSION = 2  # of the sentences and of the choice of claims
_MOST = 6  # claims per reason, at most


class Sentences(WordFile):
    """The sentence templates of one language; `reasons.yaml` explains them."""

    claims: dict[str, str]
    reason: str
    joined: str
    question: str
    nothing: str
    nothing_without: str
    nothing_available: str
    nothing_says: str
    nothing_type: str
    unknown: str
    unknown_currency: str
    unsaid: str


class _Languages(WordFile):
    en: Sentences
    zh: Sentences


@dataclass(frozen=True)
class Evidence:
    """One claim of a reason, with the part of the product's row that proves it.

    Attributes:
        claim: The claim as the reason words it ("the colour is “black”").
        column: The quoted column of the row, or `attributes.NAME` or `tags.NUMBER`.
        start: Where the quoted part begins in the column's text.
        end: Where the quoted part ends.
        text: The quoted part.
    """

    claim: str
    column: str
    start: int
    end: int
    text: str


@lru_cache(maxsize=2)
def sentences(language: str) -> Sentences:
    """Return the sentence templates of a language: Chinese for "zh", English for all others."""
    words = read_words(_Languages, "shopbatch.capabilities.search.guide", "reasons.yaml")
    return words.zh if language == "zh" else words.en


def evidence_of(
    row: Mapping[str, Any],
    constraints: Sequence[Constraint],
    terms: Sequence[str],
    vocabulary: Vocabulary,
    language: str,
    said: Sequence[str] = (),
) -> list[Evidence]:
    """Return the claims that a product meets a request, each with the part of its row that proves it; at most 6.

    Args:
        row: The product's row.
        constraints: The constraints of the request, including the type of product. An exclusion (`!=`) needs no claim.
        terms: Words of the request. They are looked for in the row only if `constraints` and `said` give no claim.
        vocabulary: The names of types, brands and values to look for in the row.
        language: Language of the reason.
        said: Words of the request that the row is known to contain; each gives a claim.
    """
    stated = statements(row, vocabulary)
    spans: list[tuple[str, str, int, int]] = []
    for constraint in constraints:
        if constraint.op != "!=":
            spans += _spans(row, stated, constraint)
    spans += _variant(row, stated, constraints, vocabulary)
    spans += [("mentions", *place) for word in said if (place := _said(row, word))]
    if not spans:
        spans = [("mentions", *place) for term in terms if (place := _said(row, term))]
    claims = sentences(language).claims
    out = []
    for kind, column, start, end in dict.fromkeys(spans):
        text = value_of(row, column)[start:end]
        out.append(Evidence(claims[kind].format(text=text), column, start, end, text))
    return out[:_MOST]


def reason_of(evidence: Sequence[Evidence], language: str) -> str:
    """Join the claims into one sentence in a language ("It fits: the colour is “black”; ...")."""
    words = sentences(language)
    return words.reason.format(claims=words.joined.join(dict.fromkeys(e.claim for e in evidence)))


def _spans(
    row: Mapping[str, Any], stated: Sequence[Statement], constraint: Constraint
) -> list[tuple[str, str, int, int]]:
    """Return where a row states that it meets a constraint, as [(kind of claim, column, start, end)]; [] if nowhere.

    If several places state it, the place with most matching values is returned, else the first one. A price also yields
    the place of its currency.
    """
    if constraint.kind == "price":
        return _price_spans(row, constraint)
    if constraint.kind == "contains":
        place = _said(row, str(constraint.value))
        return [("contains", *place)] if place else []
    hits = [s for s in stated if s.kind == constraint.kind and s.is_main and _meets(s, constraint)]
    places = Counter((s.kind, s.column, s.start, s.end) for s in hits)  # 200x200 states 200 cm twice, 140x200 once
    return [place for place, _ in places.most_common(1)]


def _variant(
    row: Mapping[str, Any], stated: Sequence[Statement], constraints: Sequence[Constraint], vocabulary: Vocabulary
) -> list[tuple[str, str, int, int]]:
    """Return the place of an acceptable colour variant, for a product that also mentions an excluded colour.

    The product fits only because of that variant, its first one without an excluded colour. Returns [("variant",
    column, start, end)]; [] if the row mentions no excluded colour or lists no such variant.
    """
    excluded = excluded_colours(constraints)
    if not any(s.kind == KIND and s.value in excluded for s in stated):
        return []
    column, listed = colour_variants(row, vocabulary)
    return next(([("variant", column, v.start, v.end)] for v in listed if not v.colours & excluded), [])


def _meets(s: Statement, constraint: Constraint) -> bool:
    if s.kind == "amount":
        (has, unit), (asked, its_unit) = split_amount(s.value), split_amount(str(constraint.value))
        if unit != its_unit:
            return False
        return abs(has - asked) <= NEAR * asked if constraint.op == "=" else True
    return key_of(s.value) == key_of(str(constraint.value))


def _price_spans(row: Mapping[str, Any], constraint: Constraint) -> list[tuple[str, str, int, int]]:
    _, column = price_of(row)
    if not column:
        return []
    written = value_of(row, column)
    end = len(re.sub(r"(\.\d\d)0$", r"\1", written))
    currency = value_of(row, "currency")
    return [("price", column, 0, end), *([("currency", "currency", 0, len(currency))] if currency else [])]


def _said(row: Mapping[str, Any], phrase: str) -> tuple[str, int, int] | None:
    """Return the first place where the row says that the product has `phrase` (such as "pockets").

    Returns:
        (column, start, end); None if no text says so, or each text only denies it.
    """
    pattern = phrase_pattern(phrase)
    for column, text in texts(row, ("title", "product_type", "description", "category")).items():
        if place := says(text, pattern):
            return column, *place
    return None
