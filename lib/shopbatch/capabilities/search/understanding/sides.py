"""The sides of a thing in one piece: 150x200cm, 200*230."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from shopbatch.text.letters import LATIN
from shopbatch.text.quantities import quantities

# dimension of a unit -> the unit that amounts are written in, and its size in base units of text.units
WRITTEN = {
    **{"mass": ("g", 1.0), "volume": ("ml", 1.0), "length": ("cm", 10.0)},
    **{"power": ("W", 1.0), "voltage": ("V", 1.0), "charge": ("mAh", 1.0), "memory": ("GB", 1.0)},
}
PIECE = re.compile(
    r"(?<![\w.])(?P<a>\d{1,4}(?:\.\d)?)\s?[x×*]\s?(?P<b>\d{1,4}(?:\.\d)?)(?:\s?[x×*]\s?(?P<c>\d{1,4}(?:\.\d)?))?"
    rf"(?!\s?[x×*\d.]|[a-z]?\d)(?:\s?(?P<unit>[a-z]{{1,11}}|[\u3400-\u9fff]{{1,2}})(?![{LATIN}]))?"
)
_PIXELS = frozenset(("px", "pixel", "pixels", "dpi", "像素"))
_LEAST_SIDE, _MOST_SIDE = 30, 500  # centimeters that sides without a unit may be: 2x4 and 1920x1080 are something else
_LONG_SIDE = 45  # that the longest of them has at least: jeans are 32x34


@dataclass(frozen=True)
class Number:
    """A number with its unit and currency, and where it stands."""

    start: int
    end: int
    value: float
    unit: str = ""  # one of WRITTEN; "?" for a unit that no constraint is of
    currency: str | None = None


def sides(text: str, language: str) -> Iterator[Number]:
    """The sides of a thing in one piece: 150x200cm, 200*230. Without a unit they are centimeters if they can be."""
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
    """The place of an amount; of a side of 200x230 cm that of all sides."""
    for m in PIECE.finditer(text):
        sides = [n for n in numbers if m.start() <= n.start < m.end() and n.unit == "cm"]
        if len(sides) > 1 and m.start() <= start < m.end():
            return sides[0].start, sides[-1].end
    return start, end
