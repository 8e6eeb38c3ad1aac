"""The configuration of evaluate_search. Cheap to import."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from shopbatch.capabilities.search.rerank.config import RerankSettings
from shopbatch.core.config import JobConfig, Strict
from shopbatch.core.shrink_gate import ShrinkGate


class Gates(Strict):
    """What a search must reach."""

    max_unjudged: float = Field(default=0.4, ge=0, le=1)
    """Greatest share of the first ten products that nobody judged. Above it the verdict is `cannot tell`."""
    min_queries: int = Field(default=30, ge=2)
    """Fewest judged queries of the test half. Below it the verdict is `cannot tell`."""
    max_drop: float = Field(default=0.005, ge=0)
    """How much nDCG@10 may be lost on average against what is live."""


class JudgedSearchConfig(JobConfig):
    """How a search is judged on judged queries. The encoder and its settings are those of the index."""

    judged_by: Literal["people", "clicks"] = "people"
    """Whose judgements count. people: the table `judgements`. clicks: `search_judgements`, which judge_by_clicks learns
    from clicks. Never both together."""
    sources: tuple[str, ...] = ()
    """Sources of judgements that count (their column `source`). Empty: all."""
    min_labelled: int = Field(default=100, ge=2)
    """Fewest judged queries of the tuning half, in all and in a language, from which fusion weights are tuned."""
    max_queries: int = Field(default=3000, ge=2)
    """Most queries of each half; which ones are taken is decided by their hash."""
    max_tuning: int = Field(default=1000, ge=2)
    """Most queries of the tuning half that fusion weights are tuned on; half as many for each BM25."""
    depth: int = Field(default=1000, ge=50)
    """Products of a list that are looked at."""
    listed: int = Field(default=15, ge=1, le=100)
    """Queries in each list of the report: won, lost, not found, without result, without click."""
    seed: int = 0
    """Seed of the intervals' bootstrap."""
    gates: Gates = Gates()
    """What a search must reach."""

    @property
    def judgements(self) -> str:
        """The name of the table of the judgements."""
        return "search_judgements" if self.judged_by == "clicks" else "judgements"

    def required_tables(self) -> tuple[str, ...]:
        """The tables that a run reads."""
        return (self.judgements, "product_embeddings")

    def optional_tables(self) -> tuple[str, ...]:
        """The events: queries without result or click are reported where there are any."""
        return ("events",)


class EvaluateGates(Gates, ShrinkGate):
    """What a search must reach, and how far what it is judged by may shrink."""


class EvaluateSearchConfig(JudgedSearchConfig):
    """Configuration of the job evaluate_search. The encoder and its settings are those of the index."""

    rerank: RerankSettings = RerankSettings()
    """A cross-encoder whose order is judged; accepted only if it is surely better than the search without it."""
    gates: EvaluateGates = EvaluateGates()
    """What a search must reach."""

    def required_models(self) -> dict[str, str]:
        """The cross-encoder, if there is one."""
        return {} if self.rerank.model is None else {"rerank.model": self.rerank.model}
