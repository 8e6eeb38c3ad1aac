"""The configuration of `evaluate_search`; imports nothing heavy."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from shopbatch.capabilities.search.rerank.config import RerankSettings
from shopbatch.core.config import JobConfig, Strict
from shopbatch.core.shrink_gate import ShrinkGate


class Gates(Strict):
    """Conditions that a search must meet to be accepted."""

    max_unjudged: float = Field(default=0.4, ge=0, le=1)
    """Greatest share (0 to 1) of the first ten products that nobody judged. Above it the verdict is `cannot tell`:
    judge more products."""
    min_queries: int = Field(default=30, ge=2)
    """Least number of judged queries in the test half. Below it the verdict is `cannot tell`."""
    max_drop: float = Field(default=0.005, ge=0)
    """How much lower the mean nDCG@10 may be than that of the live search. A larger drop, or one that is significant,
    gives the verdict `below live`."""


class JudgedSearchConfig(JobConfig):
    """Settings that evaluate_search and finetune_retriever share: how a search is measured on judged queries.

    The encoder and its settings are those of the index.
    """

    judged_by: Literal["people", "clicks"] = "people"
    """Which judgements count. people: the table `judgements`. clicks: the table `search_judgements`, which
    judge_by_clicks learns from clicks. The two are never mixed."""
    sources: tuple[str, ...] = ()
    """Only judgements with one of these values in their column `source` are used. Empty: all."""
    min_labelled: int = Field(default=100, ge=2)
    """Least number of judged queries in the tuning half to tune fusion weights. With fewer, no weight is tuned; a
    language with fewer queries uses the weight of all languages."""
    max_queries: int = Field(default=3000, ge=2)
    """Largest number of judged queries used of each half (tuning, test). A hash of the text selects them. More is
    slower and more exact."""
    max_tuning: int = Field(default=1000, ge=2)
    """Largest number of queries of the tuning half on which fusion weights are tuned; half as many for each BM25."""
    depth: int = Field(default=1000, ge=50)
    """Length of the rankings that are measured. A longer one lets the measure `judged only` see judged products further
    down."""
    listed: int = Field(default=15, ge=1, le=100)
    """Number of queries in each list of the report: won, lost, not found, without result, without click."""
    seed: int = 0
    """Seed of the bootstrap that computes the confidence intervals."""
    gates: Gates = Gates()
    """Conditions that the search must meet."""

    @property
    def judgements(self) -> str:
        """Name of the table with the judgements that are used."""
        return "search_judgements" if self.judged_by == "clicks" else "judgements"

    def required_tables(self) -> tuple[str, ...]:
        """Return the tables that a run reads."""
        return (self.judgements, "product_embeddings")

    def optional_tables(self) -> tuple[str, ...]:
        """Return the tables that a run reads if they exist: the events, to report queries without result or click."""
        return ("events",)


class EvaluateGates(Gates, ShrinkGate):
    """Conditions that a search must meet, and how far the judgements and the published table may shrink."""


class EvaluateSearchConfig(JudgedSearchConfig):
    """Configuration of the job evaluate_search. The encoder and its settings are those of the index."""

    rerank: RerankSettings = RerankSettings()
    """A cross-encoder whose reranking is judged. It is accepted only if the search is significantly better than without
    it."""
    gates: EvaluateGates = EvaluateGates()
    """Conditions that the search must meet."""

    def required_models(self) -> dict[str, str]:
        """Return the models that a run needs, by key: the cross-encoder, if one is configured."""
        return {} if self.rerank.model is None else {"rerank.model": self.rerank.model}
