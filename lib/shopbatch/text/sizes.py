"""Writes package sizes of a catalogue as a person would ("24 OZ" -> "24 ounces"); no unit is converted (units.yaml)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from shopbatch.text.quantities import pack_of
from shopbatch.text.units import Unit, units

_SIZE_CODE = re.compile(r"(EU|UK|US|IT|FR|DE) ?\d|X*[SML]|\d*X+L")
_NUMBER = r"(?:\d+ \d+/\d+|\d+/\d+|\d*\.?\d+)"
_MEASURE = re.compile(rf"({_NUMBER}(?:\s*-\s*{_NUMBER})?)[\s-]*([A-Za-z][A-Za-z ]*?)\.?")


@dataclass(frozen=True)
class SizePhrases:
    """The ways to write one package size in English copy.

    Attributes:
        shown: Forms for use after a colon ("24 oz", "24 ounces").
        amounts: Forms as a noun ("24 ounces"). Empty if the size is no amount.
        sized: Forms before a noun ("24 oz", "24-ounce"). May be empty.
    """

    shown: tuple[str, ...]
    amounts: tuple[str, ...]
    sized: tuple[str, ...]


@lru_cache(maxsize=16384)
def size_phrases(value: str) -> SizePhrases:
    """Return the ways to write a package size in English copy ("24 OZ" -> "24 oz", "24 ounces", ...).

    A size that is no known amount ("ONE SIZE") is only changed to lower case; size codes such as XL and texts that are
    not all capitals stay as they are.
    """
    text = " ".join(value.split())
    whole = units().whole_sizes.get(text.upper())
    if whole:
        return SizePhrases((whole,), (), (whole,))
    unit = _unit(text)
    if unit and text.upper() != "L":  # an L without a number may mean large
        word = unit.long[0]
        return SizePhrases((f"{'an' if word[0] in 'aeiou' else 'a'} {word}", word), (f"a {word}",), (word,))
    if group := re.fullmatch(r"(pack|set|box|bag|bundle|case) of (\d+)", text.lower()):
        sized = (f"{group[2]}-pack",) if group[1] == "pack" else ()
        return SizePhrases((group[0], f"a {group[0]}"), (f"a {group[0]}",), sized)
    if re.search(r"\d{5}", text):  # a catalogue number, not an amount
        return SizePhrases((text.lower(),), (), ())
    if measured := _measured(text):
        return measured
    parts = [part for piece in text.split("/") if (part := _measured(piece.strip()))]
    if len(parts) > 1 and len(parts) == text.count("/") + 1:
        return SizePhrases((", ".join(p.shown[0] for p in parts), " / ".join(p.shown[-1] for p in parts)), (), ())
    same = text if text != text.upper() or _SIZE_CODE.match(text) else text.lower()
    return SizePhrases((same,), (), (same,) if len(same) <= 12 and "size" not in same.lower() else ())


def _unit(text: str) -> Unit | None:
    return units().by_label.get(" ".join(text.upper().split()))


def _measured(text: str) -> SizePhrases | None:
    """Return the ways to write a size of number and unit ("24 OZ"); None if the text has another form."""
    match = _MEASURE.fullmatch(text)
    unit = _unit(match[2]) if match else None
    if not match or not unit:
        return None
    number = re.sub(r"\s*-\s*", "-", match[1])
    if pack_of(number):  # 6/3 OZ is six of 3 oz and no fraction
        return None
    fraction = re.fullmatch(r"\d+/\d+", number)
    several = number not in ("1", "1.0") and not fraction
    long = f"{number} {unit.long[several]}"
    also = tuple(phrase.format(number) for phrase in unit.also) if several and "-" not in number else ()
    short = f"{number}-{unit.short}" if unit.short in ("count", "pack") else f"{number} {unit.short}"
    hyphen = f"{number}-{unit.long[0].replace(' ', '-')}" if "-" not in number and " " not in number else short
    return SizePhrases((short, long, *also), (long, *also), (short, hyphen))
