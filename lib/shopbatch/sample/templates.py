"""Sentences from templates, drawn by seeded dice: the same for a seed and a row on every machine.

A template holds choices, `[a|b|]`, and places to fill, `{name}`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TypeVar

T = TypeVar("T")
_WORD = 2**64 - 1
_PARTS = re.compile(r"\[([^\]]*)\]")
_SLOT = re.compile(r"\{(\w+)\}")


class Dice:
    """Draws for one row, one after the other: SplitMix64 as in `draws`, so that no library can change them."""

    def __init__(self, seed: int, field: str, row: int) -> None:
        digest = hashlib.blake2b(f"{seed}/{field}/{row}".encode(), digest_size=8).digest()
        self._state = int.from_bytes(digest, "little")

    def below(self, bound: int) -> int:
        """A whole number in [0, bound)."""
        self._state = (self._state + 0x9E3779B97F4A7C15) & _WORD
        z = self._state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _WORD
        return (z ^ (z >> 31)) % bound

    def between(self, low: int, high: int) -> int:
        """A whole number in [low, high]."""
        return low + self.below(high - low + 1)

    def chance(self, percent: int) -> bool:
        """True in `percent` of 100 draws."""
        return self.below(100) < percent

    def one(self, options: Sequence[T]) -> T:
        """One of the options."""
        return options[self.below(len(options))]


@lru_cache(maxsize=4096)
def slots(template: str) -> frozenset[str]:
    """The names of the places to fill, in all choices."""
    return frozenset(_SLOT.findall(template))


def choose(dice: Dice, templates: Sequence[str], known: Mapping[str, str]) -> str:
    """One of the templates whose places are all known, with its choices made; "" if there is none."""
    usable = [t for t in templates if slots(t) <= known.keys()]
    return _PARTS.sub(lambda part: dice.one(part[1].split("|")), dice.one(usable)) if usable else ""


def fill(text: str, known: Mapping[str, str]) -> str:
    """The text with its places filled, and without the spaces that an empty choice leaves."""
    tidy = re.sub(r" +([,.!?;:])(?= |$)", r"\1", re.sub(r" {2,}", " ", text))
    return _SLOT.sub(lambda slot: known[slot[1]], tidy).strip()


def pieces(text: str) -> list[str]:
    """The text cut at its places to fill: words at even indexes, places at odd ones."""
    return re.split(r"(\{\w+\})", text)
