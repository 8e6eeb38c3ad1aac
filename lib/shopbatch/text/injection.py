"""Prompt injection: clauses that give orders to the writer of a text instead of stating a fact (injection.yaml).

A product may be named by a stranger, such as a seller on a marketplace or a scraped page. A clause that speaks about
instructions, or about the text that is to be written, is left out of the facts, and the rest of the value stays. This
is the smaller part of the protection: values are fenced as data, and no word is published that nothing backs.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import takewhile

from shopbatch.text.word_files import WordFile, read_words

_CLAUSE = re.compile(r"[^.!?;。！？；\n]+(?:[.!?;。！？；\n]+\s*|$)|[.!?;。！？；\n]+")
_SCRIPTS = re.compile(  # where the script changes, a clause in another language may begin
    r"(?<=[A-Za-z0-9.)])\s+(?=[\u0370-\u1fff\u3040-\u30ff\uac00-\ud7af])|(?<=[\u3400-\u9fff])\s+(?=[\u3400-\u9fff])"
    r"|(?<=[A-Za-z0-9])\s+(?=[\u3400-\u9fff])"
)


class _Orders(WordFile):
    """The regular expressions of injection.yaml, by language."""

    orders: dict[str, tuple[str, ...]]


@lru_cache(maxsize=1)
def _orders() -> re.Pattern[str]:
    listed = read_words(_Orders, "shopbatch.text", "injection.yaml").orders
    return re.compile("|".join(f"(?:{pattern})" for patterns in listed.values() for pattern in patterns), re.I)


@lru_cache(maxsize=16_384)
def is_injection(value: str) -> bool:
    """Tell whether a text gives orders to a writer, even with full-width letters, odd spaces or hidden characters."""
    visible = "".join(c for c in unicodedata.normalize("NFKC", value) if unicodedata.category(c) != "Cf")
    text = re.sub(r"\s+", " ", visible)
    closed_up = re.sub(r"(?<=\b\w)[ ._-](?=\w\b)", "", text)  # i g n o r e
    return bool(_orders().search(text) or (closed_up != text and _orders().search(closed_up)))


def without_injections(value: str | None) -> str | None:
    """Return a text as far as the first clause that gives orders to a writer; None if nothing is left of it."""
    if not value or not is_injection(value):
        return value
    clauses = [part for clause in _CLAUSE.findall(value) for part in _SCRIPTS.split(clause)]
    kept = takewhile(lambda clause: not is_injection(clause), clauses)  # what follows an order is part of it
    rest = " ".join(" ".join(kept).split())
    return rest if rest and not is_injection(rest) and re.search(r"\w", rest) else None
