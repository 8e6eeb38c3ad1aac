"""Escapes characters that control a terminal or change the direction of a line, such as escape sequences.

Everything that is printed and may contain text of a shop or its customers passes through these functions.
"""

from __future__ import annotations

import json
import re
from unicodedata import category

# C0 and C1 controls, the ends of lines, halves of surrogate pairs, and formats (direction, tags). The joiners of emoji
# and of Indic and Persian words, which only shape their neighbours, are none of these.
_CANDIDATES = re.compile(r"[^\t\n -~\u00a0-\u00ac\u00ae-\u05ff\u0900-\u17ff\u200c\u200d\u2030-\u205f\u2070-\ud7ff]")
_STEERING = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def escape_controls(text: str) -> str:
    r"""Replace control and direction characters in a text by visible escapes such as `\x1b` or `\u202e`.

    Tabs and line ends stay as they are.
    """
    return _CANDIDATES.sub(lambda match: _escaped(match[0], r"\x%02x"), text)


def printable_json(value: object, indent: int | None = None) -> str:
    """Return a value as JSON that a terminal can show: control characters are escaped, binary values are hexadecimal.

    Args:
        value: Nested dictionaries and lists. Values that JSON lacks, such as dates, become text.
        indent: Spaces for each level; None writes one line.
    """
    text = json.dumps(value, ensure_ascii=False, indent=indent, default=plain_value)
    return _CANDIDATES.sub(lambda match: _escaped(match[0], r"\u%04x"), text)


def plain_value(value: object) -> str:
    """Return the text of a value that JSON and CSV lack: `00ff` for bytes, ISO 8601 for dates and times."""
    return value.hex() if isinstance(value, bytes) else str(value)


def one_printable_line(value: object) -> str:
    """Return the text of a value as one line: tabs and line ends become spaces, control characters are escaped."""
    return escape_controls(re.sub(r"\s", " ", str(value)))


def _escaped(character: str, short: str) -> str:
    r"""Return the escape of a control or direction character, or the character itself if it is harmless.

    Args:
        character: The character.
        short: Format of the escape of a character below U+0100: `\x%02x` or `\u%04x`. Others become `\uXXXX`.
    """
    if category(character) not in _STEERING:
        return character
    code = ord(character)
    if code < 0x100:
        return short % code
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(rf"\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
