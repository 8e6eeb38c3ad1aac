"""Finds many byte strings at once; the scanner's own. The time does not depend on how many they are.

At each offset the next 8 (or 4) bytes are taken as a number and looked up in a bitmap by a multiplicative hash. What
the bitmap lets pass is compared exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

_BITS = 22
_FACTORS = {8: np.uint64(0x9E3779B97F4A7C15), 4: np.uint32(0x9E3779B1)}
_KINDS: dict[int, type[np.unsignedinteger]] = {8: np.uint64, 4: np.uint32}


@dataclass
class _Words:
    """The strings that are found by their first 8 or 4 bytes."""

    width: int
    strings: dict[int, list[bytes]] = field(default_factory=dict)
    firsts: np.ndarray = field(init=False)
    bitmap: np.ndarray = field(init=False)

    def prepare(self) -> None:
        """Make the bitmap, once all strings are there."""
        self.firsts = np.array(sorted(self.strings), _KINDS[self.width])
        self.bitmap = np.zeros(1 << _BITS, bool)
        self.bitmap[self.hashed(self.firsts)] = True

    def hashed(self, words: np.ndarray) -> np.ndarray:
        """The places of numbers in the bitmap."""
        return np.asarray(words * _FACTORS[self.width] >> _KINDS[self.width](8 * self.width - _BITS))


class Finder:
    """Finds strings of at least 4 bytes."""

    def __init__(self, strings: Iterable[bytes]) -> None:
        self._words = [_Words(8), _Words(4)]
        for text in strings:
            words = self._words[0] if len(text) >= 8 else self._words[1]
            words.strings.setdefault(int.from_bytes(text[: words.width], "little"), []).append(text)
        self._words = [words for words in self._words if words.strings]
        for words in self._words:
            words.prepare()

    def find(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield (position, string) of every occurrence, in no particular order."""
        for words in self._words:
            for shift in range(words.width):
                count = (len(data) - shift) // words.width
                if count > 0:
                    yield from self._at(data, words, shift, count)

    @staticmethod
    def _at(data: bytes, words: _Words, shift: int, count: int) -> Iterator[tuple[int, bytes]]:
        numbers = np.frombuffer(data, np.dtype(_KINDS[words.width]).newbyteorder("<"), count, shift)
        likely = np.flatnonzero(words.bitmap[words.hashed(numbers)])
        sure = likely[np.isin(numbers[likely], words.firsts)]
        for index in sure.tolist():
            position = shift + index * words.width
            for text in words.strings[int(numbers[index])]:
                if data.startswith(text, position):
                    yield position, text
