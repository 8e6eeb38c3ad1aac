"""The class `Fact`, one attribute of a product prepared for planned copy, and the roles that facts can have.

A role is the subject of an attribute, for example colour or material. Most roles come from the lexicon; this file adds
the roles that only planned copy knows.
"""

from __future__ import annotations

from dataclasses import dataclass

SHOWN = "shown"  # role of facts that only bullets show
PART, ABLE = "part", "able"  # roles: a part ("a hood"); a property ("foldable")
OWN_LABEL, NATIONAL = "private", "national"  # values of the column brand that name no brand
# roles of facts that sentences state, the most interesting first; other facts are bullets
TOLD = (
    "own_label", "pieces", "gender", "age_group", "players", "persons", "colour", "colours", "shade", "material",
    "pattern", "neckline", "sleeve", "fit", "closure", "flavour", "scent", "capacity", "package_size", "skin_type",
    "hair_type", "upper", "sole", "heel", "toe", "rise", "length", "lining", "filling", "roast", "connectivity",
    "notes", "screen", "battery", "power", "storage", "memory", "movement", "strap", "gemstone", "finish", "shape",
    PART, "author", "recommended_age", "season", "form", ABLE, "works_with", "load", "seats", "sleeps", "covers",
    "runs_for", "burns_for", "most", "runs_on", "range", "proof", "waterproof", "runs_on_batteries",
    "runs_on_cells", "mah", "output", "origin", "dimensions", "height", "width", "depth", "diameter", "thickness",
    "weight", "sizes",
)  # fmt: skip
BINDINGS = frozenset({"binding", "format", "cover"})  # names of the attribute for a book's binding
# roles of measures, which share one pattern ("a weight of 2 kg")
MEASURES = frozenset({
    "weight", "dimensions", "height", "width", "depth", "diameter", "thickness", "resolution", "noise", "speed",
    "voltage",
})  # fmt: skip
# roles that nobody buys a product for; they are stated last
MARGINAL = frozenset({"height", "width", "depth", "diameter", "thickness", "weight", "noise", "voltage"})


@dataclass(frozen=True)
class Fact:
    """One attribute of a product, prepared for planned copy.

    Attributes:
        role: Subject of the attribute: a role of the lexicon or of the sayings (patterns.py), an element of
            `goods.SHELF`, or PART, ABLE, SHOWN, "measure".
        label: The attribute's name, as a bullet shows it.
        shown: The value, as a bullet shows it ("Navy").
        value: The value, as a sentence contains it ("navy").
        bare: Whether the bullet shows the value without the label ("Waterproof").
    """

    role: str
    label: str
    shown: str
    value: str
    bare: bool = False
