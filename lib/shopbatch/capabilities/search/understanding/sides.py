"""Reads dimensions that are written in one piece, such as 150x200cm or 200*230."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from shopbatch.text.letters import LATIN
from shopbatch.text.quantities import quantities

# dimension of a unit -> (unit in which amounts are written, its size in base units of text.units)
WRITTEN = {
    **{"mass": ("g", 1.0), "volume": ("ml", 1.0), "length": ("cm", 10.0)},
    **{"power": ("W", 1.0), "voltage": ("V", 1.0), "charge": ("mAh", 1.0), "memory": ("GB", 1.0)},
}
PIECE = re.compile(
    r"(?<![\w.])(?P<a>\d{1,4}(?:\.\d)?)\s?[x×*]\s?(?P<b>\d{1,4}(?:\.\d)?)(?:\s?[x×*]\s?(?P<c>\d{1,4}(?:\.\d)?))?"
    rf"(?!\s?[x×*\d.]|[a-z]?\d)(?:\s?(?P<unit>[a-z]{{1,11}}|[\u3400-\u9fff]{{1,2}})(?![{LATIN}]))?"
)
_PIXELS = frozenset(("px", "pixel", "pixels", "dpi", "像素"))
_LEAST_SIDE, _MOST_SIDE = 30, 500  # plausible cm of sides without a unit: excludes 2x4 and 1920x1080
_LONG_SIDE = 45  # least cm of the longest side without a unit: excludes jeans of 32x34


@dataclass(frozen=True)
class Number:
    """A number of a text with its unit and currency.

    Attributes:
        start: Where the number begins.
        end: Where it ends, including the unit.
        value: Its value, in `unit`.
        unit: A unit of WRITTEN ("g", "ml", "cm", ...); "?" for a unit that no constraint uses; "" for none.
        currency: ISO 4217 code; None if none is written.
    """

    start: int
    end: int
    value: float
    unit: str = ""  # a unit of WRITTEN, "?" for any other, "" for none
    currency: str | None = None


def sides(text: str, language: str) -> Iterator[Number]:
    """Yield the dimensions that a text writes in one piece (150x200cm, 200*230), in cm.

    Numbers without a unit count as centimetres if they are plausible as such.
    """
    for m in PIECE.finditer(text):
        names = [name for name in ("a", "b", "c") if m[name]]
        sizes = next((q.sizes for q in quantities(f"1 {m['unit']}", language)), ()) if m["unit"] else ()
        length = next((size / WRITTEN["length"][1] for dimension, size in sizes if dimension == "length"), 0.0)
        fits = all(_LEAST_SIDE <= float(m[name]) <= _MOST_SIDE for name in names)
        fits &= max(float(m[name]) for name in names) >= _LONG_SIDE
        if not sizes and fits and (m["unit"] or "") not in _PIXELS:
            length = 1.0
        for name in names if length else ():
            end = m.end() if name == names[-1] and sizes else m.end(name)
            yield Number(m.start(name), end, float(m[name]) * length, "cm")


def whole(text: str, start: int, end: int, numbers: Sequence[Number]) -> tuple[int, int]:
    """Return begin and end of an amount; for a side of dimensions ("200x230 cm") those of the whole expression."""
    for m in PIECE.finditer(text):
        sides = [n for n in numbers if m.start() <= n.start < m.end() and n.unit == "cm"]
        if len(sides) > 1 and m.start() <= start < m.end():
            return sides[0].start, sides[-1].end
    return start, end
