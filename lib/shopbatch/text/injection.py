"""Detects prompt injection: clauses that give instructions to the model instead of stating a fact (injection.yaml).

A product may be named by a stranger, such as a seller on a marketplace or a scraped page. Facts are cut off before the
first clause that speaks about instructions, or about the text that is to be written. This is the smaller part of the
protection: values are also fenced as data in prompts, and no statement is published that the facts do not back.
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
    """The content of injection.yaml: regular expressions of instructions, by language."""

    orders: dict[str, tuple[str, ...]]


@lru_cache(maxsize=1)
def _orders() -> re.Pattern[str]:
    listed = read_words(_Orders, "shopbatch.text", "injection.yaml").orders
    return re.compile("|".join(f"(?:{pattern})" for patterns in listed.values() for pattern in patterns), re.I)


@lru_cache(maxsize=16_384)
def is_injection(value: str) -> bool:
    """Return True if a text gives instructions to a model.

    Disguises do not prevent that: full-width letters, unusual spaces, hidden characters and s p a c e d words.
    """
    visible = "".join(c for c in unicodedata.normalize("NFKC", value) if unicodedata.category(c) != "Cf")
    text = re.sub(r"\s+", " ", visible)
    closed_up = re.sub(r"(?<=\b\w)[ ._-](?=\w\b)", "", text)  # i g n o r e
    return bool(_orders().search(text) or (closed_up != text and _orders().search(closed_up)))


def without_injections(value: str | None) -> str | None:
    """Return the part of a text before the first clause that gives instructions; None if no word is left.

    Everything behind such a clause is removed too, because it may belong to the instructions. A text without
    instructions, and None, is returned unchanged.
    """
    if not value or not is_injection(value):
        return value
    clauses = [part for clause in _CLAUSE.findall(value) for part in _SCRIPTS.split(clause)]
    kept = takewhile(lambda clause: not is_injection(clause), clauses)  # text behind an instruction may belong to it
    rest = " ".join(" ".join(kept).split())
    return rest if rest and not is_injection(rest) and re.search(r"\w", rest) else None
