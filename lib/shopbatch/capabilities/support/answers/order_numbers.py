"""The numbers of orders that a ticket names: as a shop writes them (A-1001, #1701, 2026/17), with or without a sign."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache

from shopbatch.text.letters import LATIN
from shopbatch.text.word_files import WordFile, read_words

SIGNS = "#＃№ \t"  # before a number: a part of the order's name in some shops, and left out by their customers
_WORD = re.compile(r"(?<![\w.@/-])[#＃№]?([A-Za-z]{0,12}[-_]?\d[\w-]{3,40})(?![\w@/])", re.ASCII)
_NAME = r"(?P<name>(?=[\w./-]{0,40}\d)[A-Za-z0-9](?:[\w./-]{0,40}[A-Za-z0-9])?)(?![\w@])"
_LEAST = 3  # characters of a number after a word, as against "order 2 shirts"
_SURE = 6  # digits of a number that stands alone and may yet be somebody's order: 1701 may be a year or an amount


class _Words(WordFile):
    """The fields are explained in orders.yaml."""

    before: dict[str, str]


@dataclass(frozen=True)
class Named:
    """What may be the number of an order.

    Attributes:
        key: As `order_key` writes it.
        sure: Whether it certainly is one: the form states it, a sign or "order" stands before it, or it has letters or
            many digits. Of another number nobody can tell that it is somebody else's order.
    """

    key: str
    sure: bool


def order_key(order_id: str) -> str:
    """Return how an order is looked up: in small letters, without the sign before its number."""
    return order_id.strip().lstrip(SIGNS).lower()


@lru_cache(maxsize=1)
def _before() -> re.Pattern[str]:
    words = read_words(_Words, "shopbatch.capabilities.support.answers", "orders.yaml").before
    return re.compile(rf"(?<![a-z])(?:{'|'.join(words.values())})[\s#＃№:：]*{_NAME}", re.I | re.ASCII)


def order_numbers(order_id: str | None, text: str) -> list[Named]:
    """Return what may be numbers of orders: that of the form, and words with figures in the text."""
    sure = [order_key(order_id)] if order_id and order_key(order_id) else []
    for m in _before().finditer(text):
        signed = any(sign in m.group() for sign in SIGNS.strip())
        if signed or len(m["name"]) >= _LEAST:
            sure.append(order_key(m["name"]))
    rest = [order_key(number) for number in _WORD.findall(text)]
    sure += [key for key in rest if not key.isdigit() or len(key) >= _SURE]
    return [Named(key, key in set(sure)) for key in dict.fromkeys([*sure, *rest])]


def own_numbers(own: Collection[str], text: str) -> list[str]:
    """Return which of a customer's own orders a text names, whatever the shop calls its orders.

    Args:
        own: Keys of the customer's orders. One with fewer than four characters, or without a figure, is not looked for.
        text: The ticket.
    """
    lower = text.lower()
    return [key for key in own if len(key) > 3 and any(c.isdigit() for c in key) and _stands(key, lower)]


def _stands(key: str, text: str) -> bool:
    return re.search(rf"(?<![{LATIN}0-9]){re.escape(key)}(?![{LATIN}0-9])", text) is not None


def numbers_of(order_ids: Sequence[str | None], texts: Sequence[str | None]) -> set[str]:
    """Return the keys of all that may be numbers of orders in some tickets."""
    pairs = zip(order_ids, texts, strict=True)
    return {named.key for order_id, text in pairs for named in order_numbers(order_id, text or "")}
