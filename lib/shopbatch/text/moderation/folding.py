"""A text as a reader takes it in, with the place of every character in the original (signs.yaml).

`fold` undoes what each character hides: full width, circled and mathematical letters, diacritics, look-alikes of other
alphabets, zero-width characters, traditional Chinese. What several characters hide together (f.u.c.k, sh1t, 傻*逼) is
undone by `closing`.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from shopbatch.text.word_files import WordFile, read_words

Changed = list[tuple[str, int]]  # characters, each with the position that it comes from
_UNSEEN = "\u115f\u1160\u3164\u2800\uffa0"  # letters by name that look like nothing
_HIDDEN = ("Mn", "Me", "Cf", "Cc", "Sk")  # diacritics, zero-width, bidirectional and control characters
_CAPITALS = ((0x1F130, 26), (0x1F150, 26), (0x1F170, 26), (0x1F1E6, 26))  # squared, circled, flags


class Signs(WordFile):
    """The fields are explained in signs.yaml."""

    alike: tuple[tuple[str, str], ...]
    characters: tuple[tuple[str, str], ...]
    emoji: dict[str, str]
    parts: dict[str, str]
    pinyin: dict[str, str]
    leet: dict[str, str]


@lru_cache(maxsize=1)
def signs() -> Signs:
    """Read signs.yaml."""
    return read_words(Signs, "shopbatch.text.moderation", "signs.yaml")


@dataclass(frozen=True)
class Folded:
    """A text that was changed, and where it comes from.

    Attributes:
        text: The changed text.
        origins: For every character of it, the position in the original; None: the same position.
    """

    text: str
    origins: array[int] | None = None

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Translate a span of `text`, which is not empty, to the original."""
        if self.origins is None:
            return start, end
        return self.origins[start], self.origins[end - 1] + 1

    def rewrite(self, pattern: re.Pattern[str], change: Callable[[re.Match[str]], Changed | None]) -> Folded:
        """Replace every match.

        Args:
            pattern: What is replaced.
            change: Returns the new characters of a match, each with the position in `text` that it comes from; None
                leaves it as it is.
        """
        changes = [(m, changed) for m in pattern.finditer(self.text) if (changed := change(m)) is not None]
        if not changes:
            return self
        parts, origins, done = [], array("l"), 0
        old = array("l", range(len(self.text))) if self.origins is None else self.origins
        for match, changed in changes:
            parts += [self.text[done : match.start()], *(character for character, _ in changed)]
            origins.extend(old[done : match.start()])
            origins.extend(array("l", (old[place] for _, place in changed)))
            done = match.end()
        parts.append(self.text[done:])
        origins.extend(old[done:])
        return Folded("".join(parts), origins)


class _Folding(dict[int, str]):
    """What each character is folded to; filled as characters are seen. `uneven`: those that are not folded to one."""

    def __init__(self, emoji: bool) -> None:
        listed = signs()
        self.uneven: set[str] = set()
        self.alike = {a: b for pair in (*listed.alike, *listed.characters) for a, b in zip(*pair, strict=True)}
        self.emoji = listed.emoji if emoji else dict.fromkeys(listed.emoji, "") | {"➕": "+"}

    def __missing__(self, code: int) -> str:
        folded = self._fold(chr(code))
        if len(folded) != 1:
            self.uneven.add(chr(code))
        self[code] = folded
        return folded

    def _fold(self, character: str) -> str:
        if character in self.emoji:
            return self.emoji[character]
        if character in "\n^`":
            return character
        category = unicodedata.category(character)
        if character in _UNSEEN or category in _HIDDEN:
            return " " if character in "\t\r\x0b\x0c" else ""
        if category[0] == "Z":
            return "\n" if category in ("Zl", "Zp") else " "
        for first, letters in _CAPITALS:
            if first <= ord(character) < first + letters:
                return chr(ord("a") + ord(character) - first)
        whole = unicodedata.normalize("NFKC", character).casefold()
        bare = "".join(c for c in unicodedata.normalize("NFKD", whole) if unicodedata.category(c) not in _HIDDEN)
        folded = bare if bare.isascii() or len(bare) == 1 else whole
        return "".join(self.alike.get(c, c) for c in folded).replace("’", "'").replace("‘", "'")


@lru_cache(maxsize=2)
def _folding(emoji: bool) -> _Folding:
    return _Folding(emoji)


def fold(text: str) -> list[Folded]:
    """Fold a text: once, or twice if it holds emoji that may stand for a character, with and without them."""
    if text.isascii() and "\x00" not in text:
        return [Folded(text.lower())]
    with_emoji = _folded(text, _folding(True))
    if not _emoji().search(text):
        return [with_emoji]
    return [with_emoji, _folded(text, _folding(False))]


def _folded(text: str, table: _Folding) -> Folded:
    folded = text.translate(table)
    if table.uneven.isdisjoint(text):
        return Folded(folded)
    return Folded(folded, array("l", (place for place, c in enumerate(text) for _ in table[ord(c)])))


@lru_cache(maxsize=1)
def _emoji() -> re.Pattern[str]:
    return re.compile(f"[{''.join(signs().emoji)}]")
