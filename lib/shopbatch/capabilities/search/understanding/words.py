"""Loads the rules that queries are read with, which are data: `en.yaml`, `zh.yaml` and `types.yaml`."""

from __future__ import annotations

import re
from functools import lru_cache

from shopbatch.grounding.lexicon import lexicon
from shopbatch.text.word_files import WordFile, read_words

_PACKAGE = "shopbatch.capabilities.search.understanding"


class PriceWords(WordFile):
    """The words of one language by which the parser recognises price limits in a query ("under 50 dollars").

    Lists named `*_after` hold words that follow the number.

    Attributes:
        at_most: Words for an upper limit ("under").
        at_most_after: Words for an upper limit, after the number ("or less").
        at_least: Words for a lower limit ("over").
        at_least_after: Words for a lower limit, after the number ("or more").
        negated: Words that reverse a following limit ("not over").
        about: Words that make a number approximate, so that it is no limit.
        about_after: Words that make the number before them approximate.
        between: Words that begin a range ("between").
        to: Words between the two numbers of a range.
        filler: Words that may stand between these words and the number.
        currency: {ISO 4217 code: how the currency is written}.
    """

    at_most: tuple[str, ...]
    at_most_after: tuple[str, ...]
    at_least: tuple[str, ...]
    at_least_after: tuple[str, ...]
    negated: tuple[str, ...]
    about: tuple[str, ...]
    about_after: tuple[str, ...]
    between: tuple[str, ...]
    to: tuple[str, ...]
    filler: tuple[str, ...]
    currency: dict[str, tuple[str, ...]]


class SizeWords(WordFile):
    """The words of one language by which the parser recognises sizes of clothes and shoes in a query.

    Attributes:
        before: Words that announce a size, also one in digits: "size" in "size 42".
        before_word: Words that announce only a size in letters or words: "in" in "in medium". A number after them is no
            size.
        after: Words that follow a size: "sized" in "large sized".
        words: {canonical size: its names}, such as {"XL": ("xl", "extra large")}.
    """

    before: tuple[str, ...]
    before_word: tuple[str, ...]
    after: tuple[str, ...]
    words: dict[str, tuple[str, ...]]


class QueryWords(WordFile):
    """The rules of one language: lists of words by the role that they play in a query.

    Attributes:
        values: {kind of constraint: {canonical value: its names}}. A name may stand under several values.
        before_type: Like `values`, for names that are values only before a type of product or in the scope of another
            word.
        stop: Words that are not searched for.
        filler: Words between a word that excludes (or demands) and its object.
        exclude: Words that exclude the following word, be it a value or any other word ("without").
        exclude_value: Words that exclude only values; any other word after them is a quality ("not thick").
        exclude_after: Words that exclude the words before them.
        of_part: Words that exclude or demand a part of the product.
        demand: Words before a demanded feature or ingredient.
        soft: Words that make the rest of the clause a preference, or indifferent.
        soft_after: Words that make the part of the clause before them a preference, or indifferent.
        unlike: Words before a value that says only what the product resembles or belongs to.
        heads: Nouns that make the value or type before them a part of another thing's name.
        parts: Parts and motifs: a value before one describes the part, not the product.
        qualities: Adjectives, which are no feature that could be looked up.
        no_bound: Words before a number that is no bound of a price or amount.
        no_bound_after: Words after a number that is no bound.
        end: Words that end the scope of another word.
        also: Words that continue the scope of another word.
        either: Words between two values either of which will do.
        neutral: Names that look as if they excluded something or named a value, but do not.
        names: Names of things that contain a word which is a value elsewhere.
        substances: Materials without a kind of constraint of their own; they are excluded as a phrase.
        doing: Verbs after a person, in queries that only tell what the person does.
        want: Words before the wanted product.
        vague: Words that do not say what kind of product is meant.
        common: Common words that are brands only with a capital letter or beside one of `brand_words`.
        brand_words: Words that stand beside a brand.
        worn: Endings of the names of clothes and shoes; a lone number or letter beside such a name is a size.
        homophones: Right character -> the characters that are typed for it by mistake.
        unisex: Values of an attribute that stand for each gender.
        all_seasons: Values of an attribute that stand for each season.
        price: Words that make a number a price limit.
        size: Words that make a number or a word a size.
    """

    values: dict[str, dict[str, tuple[str, ...]]]
    before_type: dict[str, dict[str, tuple[str, ...]]]
    stop: tuple[str, ...]
    filler: tuple[str, ...]
    exclude: tuple[str, ...]
    exclude_value: tuple[str, ...]
    exclude_after: tuple[str, ...]
    of_part: tuple[str, ...]
    demand: tuple[str, ...]
    soft: tuple[str, ...]
    soft_after: tuple[str, ...]
    unlike: tuple[str, ...]
    heads: tuple[str, ...]
    parts: tuple[str, ...]
    qualities: tuple[str, ...]
    no_bound: tuple[str, ...]
    no_bound_after: tuple[str, ...]
    end: tuple[str, ...]
    also: tuple[str, ...]
    either: tuple[str, ...]
    neutral: tuple[str, ...]
    names: tuple[str, ...]
    substances: tuple[str, ...]
    doing: tuple[str, ...]
    want: tuple[str, ...]
    vague: tuple[str, ...]
    common: tuple[str, ...]
    brand_words: tuple[str, ...]
    worn: tuple[str, ...]
    homophones: dict[str, str]
    unisex: tuple[str, ...]
    all_seasons: tuple[str, ...]
    price: PriceWords
    size: SizeWords


class _Types(WordFile):
    """The content of `types.yaml`: canonical name of a type -> its names in English and Chinese."""

    types: dict[str, tuple[str, ...]]


@lru_cache(maxsize=1)
def query_words() -> tuple[QueryWords, ...]:
    """Return the rules of each language (English, Chinese), read once per process."""
    return tuple(read_words(QueryWords, _PACKAGE, file) for file in ("en.yaml", "zh.yaml"))


@lru_cache(maxsize=1)
def common_types() -> dict[str, tuple[str, ...]]:
    """Return the types of product that most shops have: canonical name -> all its names in English and Chinese."""
    return read_words(_Types, _PACKAGE, "types.yaml").types


@lru_cache(maxsize=32)
def listed(name: str) -> frozenset[str]:
    """Return the words of one list of `QueryWords` ("stop", "worn", ...), of all languages together."""
    return frozenset(word for words in query_words() for word in getattr(words, name))


@lru_cache(maxsize=1)
def _english() -> frozenset[str]:
    return frozenset(re.findall(r"[a-z]+", str(lexicon("en").words.model_dump())))


def is_english(word: str) -> bool:
    """Return True if a lower-case word is English: if the grounding lexicon has it or its base form.

    "wider" is English if the lexicon has "wide". `spelling` and `values` use it: such words are not corrected, and are
    brands only with a capital letter.
    """
    known = _english()
    if word in known:
        return True
    for ending in ("s", "es", "ed", "d", "ing", "ly", "er", "ers", "r", "rs", "est", "ness"):
        base = word.removesuffix(ending)
        if ending in ("r", "rs", "d") and not base.endswith("e"):
            continue  # "wider" is a form of "wide", but "sweatr" is no form of "sweat"
        if base != word and len(base) > 2 and not (ending == "s" and base.endswith("s")):
            doubled = base[:-1] if base[-1] == base[-2] else base
            if base in known or base + "e" in known or doubled in known or base.removesuffix("i") + "y" in known:
                return True
    return False
