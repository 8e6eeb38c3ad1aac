"""The settings of reranking; imports nothing heavy."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from shopbatch.core.config import Strict
from shopbatch.engines.configs import OpenVinoConfig, TorchConfig

PairEngine = Annotated[OpenVinoConfig | TorchConfig, Field(discriminator="kind")]


class RerankSettings(Strict):
    """Settings of the cross-encoder that reranks the best products of each query."""

    model: str | None = None
    """Cross-encoder: a folder, `name@digest`, or `owner/model` of the Hugging Face hub; any sequence-classification
    model with one or two labels. null: nothing is reranked."""
    engine: PairEngine = OpenVinoConfig()
    """Engine that runs the cross-encoder."""
    depth: int = Field(default=50, ge=1, le=1000)
    """How many of the best products of each query are reranked; the others follow in their order. Each product costs
    one run of the model."""
    weight: float = Field(default=0.5, ge=0, le=1)
    """Weight of the cross-encoder's score among the reranked products; the rest is the score of the search. Both are
    scaled to 0 to 1 first. 1: only the cross-encoder decides; 0: the order stays."""
