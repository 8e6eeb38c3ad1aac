"""The rules of queries as data: en.yaml, zh.yaml and types.yaml."""

from __future__ import annotations

import re
from functools import lru_cache

from shopbatch.grounding.lexicon import lexicon
from shopbatch.text.word_files import WordFile, read_words

_PACKAGE = "shopbatch.capabilities.search.understanding"


class PriceWords(WordFile):
    """What makes a number a bound. The lists with `_after` hold what stands after the number.

    negated: before a word of at_most or at_least, it turns the bound. about: a number that is no bound.
    between, to: the two words of a range. filler: may stand beside a number.
    currency: ISO 4217 code -> how it is written.
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
    """before, after: what makes a number or letters a size; before_word: letters or a word alone.

    words: size -> its names.
    """

    before: tuple[str, ...]
    before_word: tuple[str, ...]
    after: tuple[str, ...]
    words: dict[str, tuple[str, ...]]


class QueryWords(WordFile):
    """The words of one language.

    Attributes:
        values: Kind -> canonical value -> its names. A name may stand under several.
        before_type: The same for names that count only before a type of product or in the scope of another word.
        stop: Words that are not searched for.
        filler: Words between one that excludes (or demands) and its object.
        exclude: Words that exclude what follows, be it a value or any other word.
        exclude_value: Words that exclude values only: what else follows them is a quality ("not thick").
        exclude_after: Words that exclude what stands before them.
        of_part: Words that exclude or demand a part of the thing.
        demand: Words after which a feature or an ingredient is named.
        soft: Words that make what follows in the clause a wish, or indifferent.
        soft_after: The same for what stands before.
        unlike: Words after which a value says what the thing resembles or belongs to.
        heads: Nouns after which the value or type before them is part of another thing's name.
        parts: Parts and motifs: a value before one speaks of it and not of the thing.
        qualities: Adjectives, which are no feature that could be looked up.
        no_bound: Words before a number that is no bound of a price or amount.
        no_bound_after: The same after a number.
        end: Words that end the scope of another one.
        also: Words that continue it.
        either: Words between two values of which either will do.
        neutral: Words that look as if they excluded something, or named a value, and do not.
        names: Names of things with a word that is elsewhere a value.
        substances: Materials without a kind of constraint of their own: excluded as a phrase.
        doing: After a person, a word of what happens: the person is only told of.
        want: Words before what is wanted.
        vague: Words that do not say what kind of product is meant.
        common: Common words that are brands only with a capital letter or beside one of `brand_words`.
        brand_words: Words beside a brand.
        worn: What the names of clothes and shoes end in; beside them a bare number or letter is a size.
        homophones: Right character -> those that are typed for it by mistake.
        unisex: Values of an attribute that stand for each gender.
        all_seasons: Values that stand for each season.
        price: What makes a number a bound.
        size: What makes a number a size.
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
    """types.yaml: canonical name -> names in English and Chinese."""

    types: dict[str, tuple[str, ...]]


@lru_cache(maxsize=1)
def query_words() -> tuple[QueryWords, ...]:
    """Return the words of each language, read once per process."""
    return tuple(read_words(QueryWords, _PACKAGE, file) for file in ("en.yaml", "zh.yaml"))


@lru_cache(maxsize=1)
def common_types() -> dict[str, tuple[str, ...]]:
    """Return the types of product that most shops have: canonical name -> all its names."""
    return read_words(_Types, _PACKAGE, "types.yaml").types


@lru_cache(maxsize=32)
def listed(name: str) -> frozenset[str]:
    """Return a list of the rules in all languages together."""
    return frozenset(word for words in query_words() for word in getattr(words, name))


@lru_cache(maxsize=1)
def _english() -> frozenset[str]:
    return frozenset(re.findall(r"[a-z]+", str(lexicon("en").words.model_dump())))


def is_english(word: str) -> bool:
    """Tell whether a word in small letters is an English word that the grounding lexicon knows, or a form of one."""
    known = _english()
    if word in known:
        return True
    for ending in ("s", "es", "ed", "d", "ing", "ly", "er", "ers", "r", "rs", "est", "ness"):
        base = word.removesuffix(ending)
        if ending in ("r", "rs", "d") and not base.endswith("e"):
            continue  # wider is a form of wide; "sweatr" is none of sweat
        if base != word and len(base) > 2 and not (ending == "s" and base.endswith("s")):
            doubled = base[:-1] if base[-1] == base[-2] else base
            if base in known or base + "e" in known or doubled in known or base.removesuffix("i") + "y" in known:
                return True
    return False
