"""A fact as copy can say it, and what facts can be about besides the roles of the lexicon."""

from __future__ import annotations

from dataclasses import dataclass

SHOWN = "shown"  # in place of a role: a fact that is shown in a bullet and not told in a sentence
PART, ABLE = "part", "able"  # in place of a role: what a product has, and what it is
OWN_LABEL, NATIONAL = "private", "national"  # in place of a brand: goods of the shop's own label, and of others
# facts that a reader wants in a sentence, the first ones first; others are bullets
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
BINDINGS = frozenset({"binding", "format", "cover"})  # names of how a book is bound
# attributes that are told if little else is known, all in one pattern: a weight of 2 kg
MEASURES = frozenset({
    "weight", "dimensions", "height", "width", "depth", "diameter", "thickness", "resolution", "noise", "speed",
    "voltage",
})  # fmt: skip
# what no one buys goods for: told last
MARGINAL = frozenset({"height", "width", "depth", "diameter", "thickness", "weight", "noise", "voltage"})


@dataclass(frozen=True)
class Fact:
    """role: of the lexicon, of SHELF, PART, ABLE or SHOWN. label, shown: as a bullet has them. value: as a sentence
    says it. bare: whether the bullet is the value alone."""

    role: str
    label: str
    shown: str
    value: str
    bare: bool = False
