"""Settings of the job `segment_users`. Imports nothing heavy, so that the command line starts fast."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field, field_validator, model_validator

from shopbatch.core.config import JobConfig, Strict
from shopbatch.core.days import LATEST, parse_days


class Clusters(Strict):
    """Settings of the clusters that are looked for beside the named segments."""

    most: int = Field(default=5, ge=0, le=12)
    """Greatest number of clusters that is tried. 0: no clusters."""

    least: int = Field(default=3, ge=2, le=12)
    """Least number of clusters that is tried."""

    stable: float = Field(default=0.8, ge=0, le=1)
    """Least stability with which clusters are kept: the adjusted Rand index between clusterings found in two random
    halves of the users. 1: identical, 0: no better than chance. If no number of clusters reaches it, `cluster` is
    null."""

    users: int = Field(default=20_000, ge=100)
    """Most users among whom clusters are looked for; of more, a sample is drawn by a hash of the id. All users get a
    cluster afterwards."""

    margin: float = Field(default=0.2, ge=0)
    """How much nearer another centre must be before a user changes the cluster, as a share of the distance to the
    former centre. 0: users change at once; 1 or more: never."""

    seed: int = 0
    """Seed of the random starts of the clustering."""

    @model_validator(mode="after")
    def _ordered(self) -> Clusters:
        if self.most and self.most < self.least:
            raise ValueError(f"most={self.most} is below least={self.least}")
        return self


class Gates(Strict):
    """Limits that the segments of a day must meet before they are published."""

    rows: float | Literal["any"] = 0.5
    """Fewest users that a day may have, as a share of those of its live version or, if there is none, of the newest
    earlier day, where that has 20 or more. `any` lets every number pass."""

    moved: float = Field(default=0.5, ge=0, le=1)
    """Greatest share of users whose segment may differ from that of the newest earlier day. More mostly means that
    transactions are missing or the rules were changed. 1: no limit."""


class SegmentUsersConfig(JobConfig):
    """Settings of `segment_users`: which days are segmented, and by which rules."""

    as_of: date | str = LATEST
    """Days of `user_profiles` to segment: a day (`2017-07-01`), a range (`2017-07-01..2017-07-31`; days that
    `user_profiles` does not hold are skipped), or `latest`, the newest one."""

    scheme: str = "rfm"
    """The rules: the name of a scheme that ships with shopbatch (`rfm`), or the path of a YAML file of the same
    form."""

    edges_days: int = Field(default=180, ge=1)
    """Days for which quantile edges of bands are kept before they are computed anew. Until then nobody changes the
    segment merely because others changed. 1: every day."""

    clusters: Clusters = Clusters()
    """Clusters that are looked for beside the named segments."""

    gates: Gates = Gates()
    """Limits that a day must meet before it is published."""

    @field_validator("as_of")
    @classmethod
    def _days(cls, value: date | str) -> date | str:
        if value != LATEST:
            parse_days(value)
        return value

    def required_tables(self) -> tuple[str, ...]:
        """Return the names of the tables that a run needs: `user_profiles`, from which segments are computed."""
        return ("user_profiles",)
