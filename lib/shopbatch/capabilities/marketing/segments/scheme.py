"""Schemes of segments: measures with bands, and rules over them, in a YAML file that a shop can replace."""

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
    """A number of a user, and the bands that it falls into."""

    value: str
    """`lateness`, `days_per_month`, `money_per_month`, or a number of user_profiles."""
    bands: tuple[str, ...] = Field(min_length=2)
    """Names of the bands, from the least values to the greatest."""
    edges: tuple[float, ...] = ()
    """Where the bands meet, rising."""
    quantiles: tuple[Share, ...] = ()
    """Or: the shares of buyers below where the bands meet, rising."""
    margin: float = Field(default=0.2, ge=0, le=2)
    """How far beyond an edge a value must be before a user changes the band, as a share of the edge."""

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
    """A segment: every condition must hold."""

    meaning: str = ""
    """What its users have in common, for the page."""
    bands: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Measure -> the bands that belong to the segment."""
    below: dict[str, float] = Field(default_factory=dict)
    """Number of user_profiles -> the value that it must be below."""
    at_least: dict[str, float] = Field(default_factory=dict)
    """Number of user_profiles -> the value that it must reach."""


class Scheme(WordFile):
    """Measures and segments by name, in order."""

    measures: dict[str, Measure] = Field(min_length=1)
    segments: dict[str, Segment] = Field(min_length=1)

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
        """The columns of user_profiles that are needed besides those of the computed values."""
        stated = [m.value for m in self.measures.values() if m.value not in COMPUTED]
        asked = [c for s in self.segments.values() for c in (*s.below, *s.at_least)]
        return tuple(dict.fromkeys([*stated, *asked]))

    @property
    def identity(self) -> str:
        """Digest of everything that can change a segment."""
        return digest(self.model_dump(mode="json", exclude={"segments": {"__all__": {"meaning"}}}))


_SCHEMES = Collection(Scheme, __package__ or "", "schemes", "scheme")
find = _SCHEMES.find  # by the name of one that ships, or by the path of a file
