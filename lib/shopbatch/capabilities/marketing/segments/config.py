"""The configuration of `segment_users`. Imports nothing heavy."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field, field_validator, model_validator

from shopbatch.core.config import JobConfig, Strict
from shopbatch.core.days import LATEST, parse_days


class Clusters(Strict):
    """Clusters beside the named segments, which are found among the scheme's measures."""

    most: int = Field(default=5, ge=0, le=12)
    """Greatest number of clusters that is tried; 0 looks for none."""

    least: int = Field(default=3, ge=2, le=12)
    """Least number."""

    stable: float = Field(default=0.8, ge=0, le=1)
    """Clusters are kept only if two halves of the users give the same ones: least adjusted Rand index."""

    users: int = Field(default=20_000, ge=100)
    """Users among whom clusters are found at most, drawn by hash."""

    margin: float = Field(default=0.2, ge=0)
    """How much nearer another centre must be before a user moves to it, as a share of the distance to it."""

    seed: int = 0
    """Seed of the clusters."""

    @model_validator(mode="after")
    def _ordered(self) -> Clusters:
        if self.most and self.most < self.least:
            raise ValueError(f"most={self.most} is below least={self.least}")
        return self


class Gates(Strict):
    """Limits that the segments of a day must meet before they are published."""

    rows: float | Literal["any"] = 0.5
    """Least users that a day may have, as a share of those of its live version, or else of the newest earlier day, if
    that has 20 or more. `any` lets every number pass."""

    moved: float = Field(default=0.5, ge=0, le=1)
    """Greatest share of users whose segment differs from that of the newest earlier day."""


class SegmentUsersConfig(JobConfig):
    """Which days are segmented, and by which rules."""

    as_of: date | str = LATEST
    """Days of user_profiles: a day (`2017-07-01`), a range (`2017-07-01..2017-07-31`, of which those days count that
    it holds), or `latest`, the newest of them."""

    scheme: str = "rfm"
    """The rules: the name of a scheme that ships, or the path of a YAML file of the same form."""

    edges_days: int = Field(default=180, ge=1)
    """Days after which edges that are quantiles are found again. Until then they stay, so that nobody changes the
    segment because others changed."""

    clusters: Clusters = Clusters()
    """Clusters beside the named segments."""

    gates: Gates = Gates()
    """Limits that decide whether a day is published."""

    @field_validator("as_of")
    @classmethod
    def _days(cls, value: date | str) -> date | str:
        if value != LATEST:
            parse_days(value)
        return value

    def required_tables(self) -> tuple[str, ...]:
        """The table that a run reads."""
        return ("user_profiles",)
