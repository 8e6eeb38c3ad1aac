"""The settings of reranking. Cheap to import."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from shopbatch.core.config import Strict
from shopbatch.engines.configs import OpenVinoConfig, TorchConfig

PairEngine = Annotated[OpenVinoConfig | TorchConfig, Field(discriminator="kind")]


class RerankSettings(Strict):
    """A cross-encoder that reads query and product together, for the best products of a search."""

    model: str | None = None
    """Cross-encoder: a folder, `name@digest`, or `owner/model` of the hub; any sequence-classification model with
    one or two labels. null: nothing is reranked."""
    engine: PairEngine = OpenVinoConfig()
    """Engine that runs it."""
    depth: int = Field(default=50, ge=1, le=1000)
    """The best so many products of a query are reranked; the others follow in their order."""
    weight: float = Field(default=0.5, ge=0, le=1)
    """Share of the cross-encoder's score among them; the rest is the score of the search. Both run from 0 to 1."""
