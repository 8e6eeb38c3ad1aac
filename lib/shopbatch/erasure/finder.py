"""Searches bytes for many strings at once, for `scanner`; the time does not depend on the number of strings.

At each offset the next 24, 8 or 4 bytes are turned into a number, whose multiplicative hash is looked up in a bitmap.
Candidates that pass the bitmap are compared exactly. A string is recognised by its last bytes, because many ids begin
with the same characters.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

_WIDTHS = (24, 8, 4)
_BITS = 22
_FACTORS = tuple(np.uint64(f) for f in (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9))
U64 = np.uint64


class Finder:
    """Searches for a fixed set of byte strings of at least 4 bytes each; shorter ones are never found."""

    def __init__(self, strings: Iterable[bytes]) -> None:
        self._strings = set(strings)
        self._groups = []
        for width, longer in zip(_WIDTHS, (1 << 62, *_WIDTHS), strict=False):
            group = [text for text in self._strings if width <= len(text) < longer]
            if group:
                self._groups.append(_Group(width, group))

    def find(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield (position, string) of every occurrence in `data`, in no particular order."""
        for group in self._groups:
            for end, lengths in group.ends(data):
                for length in lengths:
                    text = data[max(0, end - length) : end]
                    if text in self._strings:
                        yield end - length, text


class _Group:
    """Strings that are recognised by their last `width` bytes.

    Attributes:
        width: 24, 8 or 4.
        lengths: {last bytes of a string as an integer, see `_numbers`: lengths of the strings that end with them}.
        known: The keys of `lengths`, sorted, uint64.
        bitmap: bool [2 ** 22], True at the hash of each key.
    """

    def __init__(self, width: int, strings: list[bytes]) -> None:
        self.width = width
        self.lengths: dict[int, set[int]] = {}  # {number of the last bytes: lengths of the strings}
        for text in strings:
            number = int(_numbers(text[-width:], width, 0)[0])
            self.lengths.setdefault(number, set()).add(len(text))
        self.known = np.array(sorted(self.lengths), U64)
        self.bitmap = np.zeros(1 << _BITS, bool)
        self.bitmap[_places(self.known)] = True

    def ends(self, data: bytes) -> Iterator[tuple[int, set[int]]]:
        """Yield (end position, possible lengths) of each candidate in `data`, which must still be compared exactly."""
        step = min(self.width, 8)
        for shift in range(step):
            numbers = _numbers(data, self.width, shift)
            likely = np.flatnonzero(self.bitmap[_places(numbers)])
            for index in likely[np.isin(numbers[likely], self.known)].tolist():
                yield shift + index * step + self.width, self.lengths[int(numbers[index])]


def _numbers(data: bytes, width: int, shift: int) -> np.ndarray:
    """Convert each run of `width` bytes that begins at `shift`, `shift` + step, `shift` + 2 step, ... into one uint64.

    The step is 8 bytes, or 4 for width 4. A run of 24 bytes is combined from three words by multiplication, so
    different runs may give the same number.

    Args:
        data: The bytes.
        width: 24, 8 or 4.
        shift: Offset of the first run; the caller calls once for each offset below the step.
    """
    step = min(width, 8)
    count = max(0, (len(data) - shift) // step)
    words = np.frombuffer(data, "<u8" if step == 8 else "<u4", count, shift if count else 0).astype(U64)
    if width == step:
        return words
    parts = width // step
    if count < parts:
        return words[:0]
    shifted = [words[i : count - parts + 1 + i] * _FACTORS[i] for i in range(parts)]
    return np.asarray(sum(shifted[1:], shifted[0]))


def _places(numbers: np.ndarray) -> np.ndarray:
    return np.asarray(numbers * _FACTORS[0] >> U64(64 - _BITS))
