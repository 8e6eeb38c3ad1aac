"""Finds order numbers in a ticket, in the forms that shops use (A-1001, 1701, 2026/17), with or without a "#"."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache

from shopbatch.text.letters import LATIN
from shopbatch.text.word_files import WordFile, read_words

SIGNS = "#＃№ \t"  # before a number; some shops write it, and customers omit it
_WORD = re.compile(r"(?<![\w.@/-])[#＃№]?([A-Za-z]{0,12}[-_]?\d[\w-]{3,40})(?![\w@/])", re.ASCII)
_NAME = r"(?P<name>(?=[\w./-]{0,40}\d)[A-Za-z0-9](?:[\w./-]{0,40}[A-Za-z0-9])?)(?![\w@])"
_LEAST = 3  # least characters of a number after a word such as "order"; excludes "order 2 shirts"
_SURE = 6  # least digits of a number without a sign or word before it: 1701 may be a year or an amount


class _Words(WordFile):
    """The content of `orders.yaml`: patterns of words before an order number, by language."""

    before: dict[str, str]


@dataclass(frozen=True)
class Named:
    """A possible order number in a ticket.

    Attributes:
        key: The number in the form of `order_key`.
        sure: True if it certainly is an order number: the form states it, a sign or "order" stands before it, or it has
            letters or many digits. A number that is not sure may be a year or an amount, so that it is not taken for
            another customer's order.
    """

    key: str
    sure: bool


def order_key(order_id: str) -> str:
    """Normalise an order number into the key by which orders are looked up ("#A-17" -> "a-17").

    The key is in lower case. White space at both ends, and signs such as # at the beginning, are removed.
    """
    return order_id.strip().lstrip(SIGNS).lower()


@lru_cache(maxsize=1)
def _before() -> re.Pattern[str]:
    """Return the pattern of an order number after words of `orders.yaml`; its group `name` is the number."""
    words = read_words(_Words, "shopbatch.capabilities.support.answers", "orders.yaml").before
    return re.compile(rf"(?<![a-z])(?:{'|'.join(words.values())})[\s#＃№:：]*{_NAME}", re.I | re.ASCII)


def order_numbers(order_id: str | None, text: str) -> list[Named]:
    """Return the possible order numbers of a ticket, each once, the sure ones first.

    Args:
        order_id: Order number that the customer entered in the form; None for none.
        text: Subject and text, in which words with digits are found.
    """
    sure = [order_key(order_id)] if order_id and order_key(order_id) else []
    for m in _before().finditer(text):
        signed = any(sign in m.group() for sign in SIGNS.strip())
        if signed or len(m["name"]) >= _LEAST:
            sure.append(order_key(m["name"]))
    rest = [order_key(number) for number in _WORD.findall(text)]
    sure += [key for key in rest if not key.isdigit() or len(key) >= _SURE]
    return [Named(key, key in set(sure)) for key in dict.fromkeys([*sure, *rest])]


def own_numbers(own: Collection[str], text: str) -> list[str]:
    """Return the keys of a customer's own orders that the text names, in whatever form the shop writes them.

    Args:
        own: Keys of the customer's orders. A key with fewer than four characters, or without a digit, is not looked
            for.
        text: The ticket.
    """
    lower = text.lower()
    return [key for key in own if len(key) > 3 and any(c.isdigit() for c in key) and _stands(key, lower)]


def _stands(key: str, text: str) -> bool:
    """Return True if the key stands in the text as a whole word."""
    return re.search(rf"(?<![{LATIN}0-9]){re.escape(key)}(?![{LATIN}0-9])", text) is not None


def numbers_of(order_ids: Sequence[str | None], texts: Sequence[str | None]) -> set[str]:
    """Return the keys of all possible order numbers in some tickets.

    Args:
        order_ids: Order number of each ticket's form; None for none.
        texts: Text of each ticket.
    """
    pairs = zip(order_ids, texts, strict=True)
    return {named.key for order_id, text in pairs for named in order_numbers(order_id, text or "")}
