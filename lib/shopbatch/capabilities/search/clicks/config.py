"""The configuration of `judge_by_clicks`; imports nothing heavy."""

from __future__ import annotations

from pydantic import Field

from shopbatch.core.config import JobConfig
from shopbatch.core.shrink_gate import ShrinkGate


class Gates(ShrinkGate):
    """Conditions that the click model must meet before its judgements are published."""

    min_moved: float = Field(default=0.05, ge=0, le=1)
    """Least share (0 to 1) of the impressions whose product was shown for the same query at several positions. Below
    it, the effect of a good position cannot be told from that of a good product, and nothing is published."""
    better: bool = True
    """Whether the model must forecast the clicks of held-out visits better than click rates by position, and not
    significantly worse than click rates by product. false: not checked."""


class JudgeByClicksConfig(JobConfig):
    """Configuration of the job judge_by_clicks."""

    least_visits: int = Field(default=3, ge=1)
    """Least number of visits that typed a query. A rarer query is ignored, since it may reveal who typed it."""
    least_looks: float = Field(default=10.0, gt=0)
    """How often a product must have been looked at for a query, as the model estimates it, to be judged. Below it there
    is no judgement."""
    least_attraction: float = Field(default=0.02, ge=0, lt=1)
    """Least chance of a click when the product is looked at (0 to 1). Below it, the product gets the grade 0: useless
    for the query."""
    max_position: int = Field(default=50, ge=2)
    """Last position of the result list that is used; clicks and impressions further down are ignored."""
    prior: float = Field(default=10.0, gt=0)
    """Strength of the smoothing: each product's click rate is pulled towards the mean rate, as if shoppers had looked
    at the product this many more times and clicked at the mean rate. The higher, the less a few clicks can move a
    grade."""
    purchase_weight: float = Field(default=1.0, ge=0)
    """How much purchases influence a grade: a product that is never bought gets 1/(1 + weight) of the grade of an
    equally clicked product that is bought after every click. 0: only clicks are used."""
    held_out: float = Field(default=0.2, gt=0, lt=1)
    """Share of the visits (0 to 1) on which the model is tested instead of fitted. A hash of the visit selects them."""
    gates: Gates = Gates()
    """Conditions that the click model must meet."""
    seed: int = 0
    """Seed of the bootstrap that computes the confidence intervals."""

    def required_tables(self) -> tuple[str, ...]:
        """Return the tables that a run reads."""
        return ("search_events",)
