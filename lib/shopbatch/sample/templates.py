"""Random sentences from templates, by seeded draws (`Dice`) that give the same text on every machine.

A template contains choices, `[a|b|]`, and placeholders, `{name}`. The samples' dialogs, tickets and copy use them.
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
    """A random number generator for one row, seeded by (seed, field, row).

    It is SplitMix64, as in `draws`, so that no library's random stream can change the texts.
    """

    def __init__(self, seed: int, field: str, row: int) -> None:
        digest = hashlib.blake2b(f"{seed}/{field}/{row}".encode(), digest_size=8).digest()
        self._state = int.from_bytes(digest, "little")

    def below(self, bound: int) -> int:
        """Return a uniform random integer in [0, bound)."""
        self._state = (self._state + 0x9E3779B97F4A7C15) & _WORD
        z = self._state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _WORD
        return (z ^ (z >> 31)) % bound

    def between(self, low: int, high: int) -> int:
        """Return a uniform random integer in [low, high], both included."""
        return low + self.below(high - low + 1)

    def chance(self, percent: int) -> bool:
        """Return True with a probability of `percent` / 100."""
        return self.below(100) < percent

    def one(self, options: Sequence[T]) -> T:
        """Return one of the options at random, each with the same probability."""
        return options[self.below(len(options))]


@lru_cache(maxsize=4096)
def slots(template: str) -> frozenset[str]:
    """Return the names of a template's placeholders, those in choices included."""
    return frozenset(_SLOT.findall(template))


def choose(dice: Dice, templates: Sequence[str], known: Mapping[str, str]) -> str:
    """Return a random template with its choices made; placeholders stay ("[Hi|Hello] {name}" -> "Hi {name}").

    Args:
        dice: Source of all random draws.
        templates: The templates; only those whose placeholders are all known are used.
        known: Values by placeholder.

    Returns:
        The text; "" if no template can be used.
    """
    usable = [t for t in templates if slots(t) <= known.keys()]
    return _PARTS.sub(lambda part: dice.one(part[1].split("|")), dice.one(usable)) if usable else ""


def fill(text: str, known: Mapping[str, str]) -> str:
    """Return the text with its placeholders replaced, and without the spaces that an empty choice leaves.

    Args:
        text: A text from `choose`.
        known: Values by placeholder.
    """
    tidy = re.sub(r" +([,.!?;:])(?= |$)", r"\1", re.sub(r" {2,}", " ", text))
    return _SLOT.sub(lambda slot: known[slot[1]], tidy).strip()


def pieces(text: str) -> list[str]:
    """Split a text at its placeholders ("Hi {name}." -> ["Hi ", "{name}", "."]); placeholders have odd indices."""
    return re.split(r"(\{\w+\})", text)
