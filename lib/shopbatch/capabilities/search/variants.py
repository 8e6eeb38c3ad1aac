"""The colours that a product comes in: what is excluded leaves it out only if each of its variants has it.

A loader puts the variants of a product into one row: an attribute such as "Cream, Red" lists what may be chosen.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from shopbatch.capabilities.search.understanding.need import Constraint

KIND = "colour"
LISTED = "variants"  # what `filters` keeps the colours of the variants under: "variants=beige;blue+red"
_ENTRIES = re.compile(r"[^,，、;；|\s][^,，、;；|]*")


@dataclass(frozen=True)
class Variant:
    """One entry of a list of colours.

    Attributes:
        colours: The canonical colours that it names; none for a name that nobody knows.
        start: Where it begins in the attribute.
        end: Where it ends.
    """

    colours: frozenset[str]
    start: int
    end: int


def variants(value: str, named: Callable[[str], Iterator[str]]) -> list[Variant]:
    """Return the entries of a list of colours; none if it lists fewer than two.

    Args:
        value: An attribute of a product, such as "Cream, Red".
        named: Returns the colours that a text names.
    """
    places = [(m.start(), m.start() + len(m.group().rstrip())) for m in _ENTRIES.finditer(value)]
    if len(places) < 2:
        return []
    return [Variant(frozenset(named(value[start:end])), start, end) for start, end in places]


def written(listed: Sequence[Variant]) -> str:
    """Write the colours of some variants: "beige;blue+red"."""
    return ";".join("+".join(sorted(v.colours)) for v in listed)


def is_left(text: str, excluded: Collection[str]) -> bool:
    """Tell whether, of variants as `written` writes them, one has none of the colours that are excluded."""
    return any(not set(entry.split("+")) & set(excluded) for entry in text.split(";"))


def excluded_colours(constraints: Sequence[Constraint]) -> frozenset[str]:
    """Return the colours that some constraints exclude."""
    return frozenset(str(c.value) for c in constraints if c.kind == KIND and c.op == "!=")
