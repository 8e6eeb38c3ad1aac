"""Reads the colours in which a product is sold; excluding a colour drops a product only if all its variants have it.

A loader puts the variants of a product into one row: an attribute such as "Cream, Red" lists the colours to choose
from.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from shopbatch.capabilities.search.understanding.need import Constraint

KIND = "colour"
LISTED = "variants"  # kind under which `filters` stores the variants: "variants=beige;blue+red"
_ENTRIES = re.compile(r"[^,，、;；|\s][^,，、;；|]*")


@dataclass(frozen=True)
class Variant:
    """One entry of an attribute that lists colours, such as "Red" in "Cream, Red".

    Attributes:
        colours: The canonical colours that the entry names; empty if its name is unknown.
        start: Where the entry begins in the attribute.
        end: Where the entry ends.
    """

    colours: frozenset[str]
    start: int
    end: int


def variants(value: str, named: Callable[[str], Iterator[str]]) -> list[Variant]:
    """Split an attribute that lists colours into its entries; returns [] if it has fewer than two.

    Args:
        value: An attribute of a product, such as "Cream, Red".
        named: Function that yields the canonical colours that a text names.
    """
    places = [(m.start(), m.start() + len(m.group().rstrip())) for m in _ENTRIES.finditer(value)]
    if len(places) < 2:
        return []
    return [Variant(frozenset(named(value[start:end])), start, end) for start, end in places]


def written(listed: Sequence[Variant]) -> str:
    """Encode the colours of variants as text, for the index: "beige;blue+red" is a beige and a blue-and-red variant."""
    return ";".join("+".join(sorted(v.colours)) for v in listed)


def is_left(text: str, excluded: Collection[str]) -> bool:
    """Return True if a product still has a variant without any excluded colour.

    Args:
        text: The product's variants, as encoded by `written`.
        excluded: Colours that the shopper does not want.
    """
    return any(not set(entry.split("+")) & set(excluded) for entry in text.split(";"))


def excluded_colours(constraints: Sequence[Constraint]) -> frozenset[str]:
    """Return the colours that a query's constraints exclude (`colour!=red`)."""
    return frozenset(str(c.value) for c in constraints if c.kind == KIND and c.op == "!=")
