"""The configuration of judge_by_clicks. Cheap to import."""

from __future__ import annotations

from pydantic import Field

from shopbatch.core.config import JobConfig
from shopbatch.core.shrink_gate import ShrinkGate


class Gates(ShrinkGate):
    """What the click model must reach."""

    min_moved: float = Field(default=0.05, ge=0, le=1)
    """Least share of the showings that are of a query and product shown at several places. Below it nobody can tell a
    good place from a good product."""
    better: bool = True
    """Whether the model must forecast the clicks of visits that it was not fitted on better than click rates by
    product, and than click rates by place."""


class JudgeByClicksConfig(JobConfig):
    """Configuration of the job judge_by_clicks."""

    least_visits: int = Field(default=3, ge=1)
    """Fewest visits that typed a query; one that fewer typed may say who typed it."""
    least_looks: float = Field(default=10.0, gt=0)
    """Fewest times that a product must have been looked at, as expected, before it is judged. Fewer: no judgement."""
    least_attraction: float = Field(default=0.02, ge=0, lt=1)
    """A product that is clicked more rarely where it is looked at has the grade 0: of no use for the query."""
    max_position: int = Field(default=50, ge=2)
    """Last place that counts."""
    prior: float = Field(default=10.0, gt=0)
    """How many looks the mean of all products weighs as much as: the more, the less a few clicks say."""
    purchase_weight: float = Field(default=1.0, ge=0)
    """How much buying after every click would add to a grade, as a share of what clicks alone are worth. 0: only clicks
    count."""
    held_out: float = Field(default=0.2, gt=0, lt=1)
    """Share of the visits that the model is judged on; which ones is decided by their hash."""
    gates: Gates = Gates()
    """What the click model must reach."""
    seed: int = 0
    """Seed of the intervals' bootstrap."""

    def required_tables(self) -> tuple[str, ...]:
        """The table that a run reads."""
        return ("search_events",)
