"""Measures and limits the length of a text on screen (graphemes, columns) and as an SMS; used for ads."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

import regex

GSM_7, UCS_2 = "GSM-7", "UCS-2"
# 3GPP TS 23.038, 6.2.1: the default alphabet, and its extension table, whose characters take two septets each.
_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ ÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = frozenset("\f^{}\\[~]|€")
# 3GPP TS 23.040: 140 octets a message; six of them are the header of a message that is sent in parts.
_ALONE = {GSM_7: 160, UCS_2: 70}
_PART = {GSM_7: 153, UCS_2: 67}
_GRAPHEME = regex.compile(r"\X")
_EMOJI = regex.compile(r"\p{Emoji_Presentation}|\p{Extended_Pictographic}|[\U0001F1E6-\U0001F1FF]|\u20E3")


class Sms(NamedTuple):
    """The size of a text when it is sent as an SMS.

    Attributes:
        encoding: GSM_7 if that alphabet has all characters of the text, else UCS_2.
        units: Length in septets (GSM_7) or UTF-16 code units (UCS_2).
        parts: Number of messages that are sent and paid for.
    """

    encoding: str
    units: int
    parts: int


def graphemes(text: str) -> int:
    """Return the number of characters as a reader sees them (graphemes; Unicode annex 29).

    An emoji of several code points counts as one.
    """
    return sum(1 for _ in _GRAPHEME.finditer(text))


def columns(text: str) -> int:
    """Return the width of a text in fixed-width columns (Unicode annex 11).

    A Chinese character or an emoji takes two columns.
    """
    return sum(_width(match.group()) for match in _GRAPHEME.finditer(text))


def cut_to_columns(text: str, most: int) -> str:
    """Return the beginning of a text that fits into `most` fixed-width columns; no grapheme is divided."""
    shown, room = "", most
    for match in _GRAPHEME.finditer(text):
        room -= _width(match.group())
        if room < 0:
            break
        shown += match.group()
    return shown


def _width(grapheme: str) -> int:
    if has_emoji(grapheme):
        return 2
    return max((2 if unicodedata.east_asian_width(c) in "WF" else 1) for c in grapheme)


def has_emoji(text: str) -> bool:
    """Return True if a text contains an emoji or another pictograph; ©, ® and ™ are none."""
    return any(m.group() not in "©®™" for m in _EMOJI.finditer(text))


def without_emoji(text: str) -> str:
    """Return a text without emoji and without the characters that only join or colour them; blanks are collapsed."""
    kept = _EMOJI.sub(lambda m: m.group() if m.group() in "©®™" else "", text)
    return " ".join(regex.sub(r"[\u200d\ufe0f\U0001F3FB-\U0001F3FF]", "", kept).split())


def sms(text: str) -> Sms:
    """Return the encoding, length and number of parts of a text that is sent as an SMS.

    A character is never divided between two parts.
    """
    is_basic = all(c in _BASIC or c in _EXTENSION for c in text)
    encoding = GSM_7 if is_basic else UCS_2
    sizes = list(_sizes(text, encoding))
    units = sum(sizes)
    if units <= _ALONE[encoding]:
        return Sms(encoding, units, 1)
    parts, used = 1, 0
    for size in sizes:
        if used + size > _PART[encoding]:
            parts, used = parts + 1, 0
        used += size
    return Sms(encoding, units, parts)


def _sizes(text: str, encoding: str) -> Iterator[int]:
    for c in text:
        yield 2 if (c in _EXTENSION if encoding == GSM_7 else ord(c) > 0xFFFF) else 1


_PLAIN = str.maketrans({
    "‘": "'", "’": "'", "‚": "'", "“": '"', "”": '"', "„": '"', "–": "-", "—": "-", "‐": "-", "‑": "-", "−": "-",
    "…": "...", "\u00a0": " ", "\u202f": " ", "•": "-", "·": "-", "×": "x", "®": "", "©": "", "`": "'", "´": "'",
})  # fmt: skip


def to_gsm(text: str) -> str:
    """Rewrite typographic signs and accented letters so that a text fits the GSM-7 alphabet.

    SMS in that alphabet may be longer (160 characters instead of 70). A text that still does not fit, such as Chinese,
    is returned unchanged.
    """
    letters = text.translate(_PLAIN)
    written = "".join(c if c in _BASIC or c in _EXTENSION else _without_accents(c) for c in letters)
    return written if sms(written).encoding == GSM_7 else text


def _without_accents(character: str) -> str:
    parts = unicodedata.normalize("NFKD", character)
    return "".join(c for c in parts if not unicodedata.combining(c))
