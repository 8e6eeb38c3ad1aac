"""Schemes of segments: a YAML file with measures, their bands, and rules over them, which a shop can replace.

`segment_users` uses a scheme; `rfm` ships with shopbatch.
"""

from __future__ import annotations

import re
from typing import Annotated

import pyarrow as pa
from pydantic import Field, model_validator

from shopbatch.core.hashing import digest
from shopbatch.tables.user_profiles import AMOUNT, FEATURES
from shopbatch.text.word_files import Collection, WordFile

COMPUTED = ("lateness", "days_per_month", "money_per_month")
NUMBERS = tuple(f.name for f in FEATURES if f.type in (pa.int64(), pa.float64(), AMOUNT))
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
Share = Annotated[float, Field(gt=0, lt=1)]


class Measure(WordFile):
    """A number of each user, and the bands (ranges) that it falls into."""

    value: str
    """The number: `lateness` (days since the last active day over the user's usual gap), `days_per_month`,
    `money_per_month`, or a numeric column of `user_profiles`."""
    bands: tuple[str, ...] = Field(min_length=2)
    """Names of the bands, from the lowest values to the highest."""
    edges: tuple[float, ...] = ()
    """The values at which one band ends and the next begins, ascending: one fewer than bands. Leave it out if
    `quantiles` is given."""
    quantiles: tuple[Share, ...] = ()
    """Instead of `edges`: the shares of buyers below each edge, ascending ([0.4, 0.8]). The edges are computed from
    them."""
    margin: float = Field(default=0.2, ge=0, le=2)
    """How far beyond an edge a value must be before a user changes the band, as a share of the edge (0.2: a fifth). 0:
    users change at once."""

    @model_validator(mode="after")
    def _fits(self) -> Measure:
        places = self.edges or self.quantiles
        if self.value not in (*COMPUTED, *NUMBERS):
            known = ", ".join(COMPUTED)
            raise ValueError(f"value {self.value[:40]!r} is none of {known} and no number of user_profiles")
        if bool(self.edges) == bool(self.quantiles) or len(places) != len(self.bands) - 1:
            raise ValueError(f"{len(self.bands)} bands need {len(self.bands) - 1} edges, or as many quantiles")
        if list(places) != sorted(set(places)):
            raise ValueError("edges and quantiles must rise")
        if len(set(self.bands)) != len(self.bands) or not all(_NAME.fullmatch(band) for band in self.bands):
            raise ValueError("names of bands differ, and have small letters, digits and _")
        return self


class Segment(WordFile):
    """A segment of users: a user belongs to it if every condition holds and no earlier segment fits."""

    meaning: str = ""
    """What its users have in common, as the page shows it."""
    bands: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Condition: by measure, the bands that belong to the segment."""
    below: dict[str, float] = Field(default_factory=dict)
    """Condition: by numeric column of `user_profiles`, the value that a user must be below."""
    at_least: dict[str, float] = Field(default_factory=dict)
    """Condition: by numeric column of `user_profiles`, the least value."""


class Scheme(WordFile):
    """The content of a scheme file: measures by name and segments by name.

    A user is in the first segment that fits; the last segment has no condition and takes everybody else.
    """

    measures: dict[str, Measure] = Field(min_length=1)
    """The measures by name (recency, frequency, ...)."""
    segments: dict[str, Segment] = Field(min_length=1)
    """The segments by name, in the order in which they are tried; the last one has no condition."""

    @model_validator(mode="after")
    def _fits(self) -> Scheme:
        if wrong := [n for n in (*self.measures, *self.segments) if not _NAME.fullmatch(n)]:
            raise ValueError(f"a name has small letters, digits and _: {wrong[0][:40]!r}")
        *conditional, last = self.segments.values()
        if last.bands or last.below or last.at_least:
            raise ValueError(f"the last segment takes whoever is left, so {list(self.segments)[-1]!r} has no condition")
        for name, segment in self.segments.items():
            for measure, bands in segment.bands.items():
                if measure not in self.measures:
                    raise ValueError(f"segment {name!r}: there is no measure {measure[:40]!r}")
                if unknown := [band for band in bands if band not in self.measures[measure].bands]:
                    raise ValueError(f"segment {name!r}: {measure} has no band {unknown[0][:40]!r}")
            if strange := [c for c in (*segment.below, *segment.at_least) if c not in NUMBERS]:
                raise ValueError(f"segment {name!r}: {strange[0][:40]!r} is no number of user_profiles")
        if any(not (s.bands or s.below or s.at_least) for s in conditional):
            raise ValueError("a segment without a condition leaves nobody for those after it")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the columns of `user_profiles` that measures and conditions name.

        The computed measures (`lateness` and the monthly rates) need the columns `measures.BASIS` besides.
        """
        stated = [m.value for m in self.measures.values() if m.value not in COMPUTED]
        asked = [c for s in self.segments.values() for c in (*s.below, *s.at_least)]
        return tuple(dict.fromkeys([*stated, *asked]))

    @property
    def identity(self) -> str:
        """Return the digest of the rules (all but the meanings); while it is the same, users are segmented alike."""
        return digest(self.model_dump(mode="json", exclude={"segments": {"__all__": {"meaning"}}}))


_SCHEMES = Collection(Scheme, __package__ or "", "schemes", "scheme")
find = _SCHEMES.find  # finds a scheme by the name of a shipped one, or by the path of a YAML file
