"""Reads the words of the generated customer service: intents, phrases and policies (data/dialog_*.yaml).

Templates contain no numbers of their own: `{return_days}` stands for a number of the policies, so no two texts can
state different numbers for one promise.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from shopbatch.text.word_files import WordFile, read_words

LANGUAGES = ("en", "zh")


class Case(WordFile):
    """A group of questions with the same answer, as templates; dialog_intents_*.yaml explains the fields."""

    ask: tuple[str, ...]
    fact: tuple[str, ...]
    step: tuple[str, ...]
    more: tuple[str, ...] = ()
    limit: str = ""
    beyond: bool = False


class Intent(WordFile):
    """A topic of customers' questions (such as refund_time) with its cases.

    The files dialog_intents_*.yaml explain the fields.
    """

    about: str
    cases: tuple[Case, ...]
    goods: str = "any"


class _Intents(WordFile):
    delivery: dict[str, Intent]
    orders: dict[str, Intent]
    shop: dict[str, Intent]


class Phrases(WordFile):
    """The phrases around questions and replies in one language; dialog_phrases_*.yaml explains the fields."""

    openers: dict[str, tuple[str, ...]]
    closers: dict[str, tuple[str, ...]]
    contexts: dict[str, tuple[str, ...]]
    greetings: dict[str, tuple[str, ...]]
    noted: tuple[str, ...]
    wanted: tuple[str, ...]
    endings: tuple[str, ...]
    orders: tuple[str, ...]
    colours: tuple[str, ...]
    goods: dict[str, tuple[str, ...]]
    months: tuple[str, ...]
    date: str
    glue: str
    span: tuple[int, int]


class _Policies(WordFile):
    both: dict[str, str]
    en: dict[str, str]
    zh: dict[str, str]


@lru_cache(maxsize=2)
def intents(language: str) -> Mapping[str, Intent]:
    """Return {name: intent} of a language (en or zh), in the order of the file."""
    topics = read_words(_Intents, "shopbatch.sample", f"data/dialog_intents_{language}.yaml")
    return {**topics.delivery, **topics.orders, **topics.shop}


@lru_cache(maxsize=2)
def phrases(language: str) -> Phrases:
    """Return the phrases of a language (en or zh), with two lists completed.

    The polite greetings also contain the neutral ones (`plain`), and `goods["any"]` lists the products of all types.
    """
    listed = read_words(Phrases, "shopbatch.sample", f"data/dialog_phrases_{language}.yaml")
    polite = (*listed.greetings["plain"], *listed.greetings["polite"])
    every = tuple(item for kind in listed.goods.values() for item in kind)
    return listed.model_copy(
        update={"greetings": {**listed.greetings, "polite": polite}, "goods": {**listed.goods, "any": every}}
    )


@lru_cache(maxsize=2)
def policies(language: str) -> Mapping[str, str]:
    """Return the shop's policies in a language as {name: number as text}, such as {"return_days": "30"}."""
    listed = read_words(_Policies, "shopbatch.sample", "data/dialog_policies.yaml")
    return {**listed.both, **(listed.en if language == "en" else listed.zh)}
