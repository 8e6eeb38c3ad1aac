"""How long a text is where it is shown or sent: graphemes, columns on a screen, and parts of an SMS."""

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
    """What a text is as an SMS.

    Attributes:
        encoding: GSM_7 if the alphabet has all its characters, else UCS_2.
        units: Septets in GSM_7, UTF-16 code units in UCS_2.
        parts: Messages that it is sent in.
    """

    encoding: str
    units: int
    parts: int


def graphemes(text: str) -> int:
    """Count what a reader takes for characters: an emoji of several code points is one (Unicode annex 29)."""
    return sum(1 for _ in _GRAPHEME.finditer(text))


def columns(text: str) -> int:
    """Count columns of equal width: a Chinese character or an emoji takes two (Unicode annex 11)."""
    return sum(_width(match.group()) for match in _GRAPHEME.finditer(text))


def cut_to_columns(text: str, most: int) -> str:
    """Return the beginning of a text that a display of so many columns shows."""
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
    """Whether a text holds an emoji or another pictograph; © and ™ do not count."""
    return any(m.group() not in "©®™" for m in _EMOJI.finditer(text))


def without_emoji(text: str) -> str:
    """Return a text without its emoji and the signs that only join or colour them."""
    kept = _EMOJI.sub(lambda m: m.group() if m.group() in "©®™" else "", text)
    return " ".join(regex.sub(r"[\u200d\ufe0f\U0001F3FB-\U0001F3FF]", "", kept).split())


def sms(text: str) -> Sms:
    """Measure a text as an SMS. No character is divided between two parts."""
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
    """Write a text in the alphabet of GSM-7 as far as typographic signs and accents keep it from that.

    A text in another script, such as Chinese, is returned as it is.
    """
    letters = text.translate(_PLAIN)
    written = "".join(c if c in _BASIC or c in _EXTENSION else _without_accents(c) for c in letters)
    return written if sms(written).encoding == GSM_7 else text


def _without_accents(character: str) -> str:
    parts = unicodedata.normalize("NFKD", character)
    return "".join(c for c in parts if not unicodedata.combining(c))
