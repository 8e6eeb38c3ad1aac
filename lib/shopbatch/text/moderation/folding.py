"""Normalises each character of a text (folding) while tracking positions in the original (signs.yaml).

`fold` undoes disguises of single characters: full-width, circled and mathematical letters, diacritics, look-alikes of
other alphabets, zero-width characters, traditional Chinese. Disguises of several characters (f.u.c.k, sh1t, 傻*逼) are
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
    """The content of signs.yaml; the comments there explain the fields."""

    alike: tuple[tuple[str, str], ...]
    characters: tuple[tuple[str, str], ...]
    emoji: dict[str, str]
    parts: dict[str, str]
    pinyin: dict[str, str]
    leet: dict[str, str]


@lru_cache(maxsize=1)
def signs() -> Signs:
    """Return the content of signs.yaml, read once per process."""
    return read_words(Signs, "shopbatch.text.moderation", "signs.yaml")


@dataclass(frozen=True)
class Folded:
    """A normalised text together with the original position of each character.

    Attributes:
        text: The normalised text.
        origins: Position in the original of each character; None if all positions are unchanged.
    """

    text: str
    origins: array[int] | None = None

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Translate the positions of a non-empty part of `text` into positions in the original."""
        if self.origins is None:
            return start, end
        return self.origins[start], self.origins[end - 1] + 1

    def rewrite(self, pattern: re.Pattern[str], change: Callable[[re.Match[str]], Changed | None]) -> Folded:
        """Return the text with the matches of a pattern replaced; the original positions are kept.

        Args:
            pattern: The pattern to replace.
            change: Function that returns the new characters of a match, each with the position in `text` that it comes
                from; None leaves the match as it is.
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
    """A translation table from code points to normalised characters, filled as characters are seen.

    `uneven` holds the characters that are normalised to none or several, which shifts the positions behind them.
    """

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
    """Return the normalised readings of a text: one, or two if it contains emoji that may stand for a character.

    The first reading replaces such emoji by their characters (🐶 -> 狗), the second one drops them.
    """
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
