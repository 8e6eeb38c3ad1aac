"""The configuration of guide_shoppers. Cheap to import."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from shopbatch.inference.config import InferenceConfig


class GuideShoppersConfig(InferenceConfig):
    """Configuration of the job guide_shoppers."""

    k: int = Field(default=3, ge=1, le=100)
    """Most products of an answer."""
    ranking: Literal["index", "words"] = "index"
    """What ranks the products that meet a request. index: the index of `embed_products`, by words and meaning.
    words: the words of the catalogue alone, which needs neither an index nor a model."""
    available_only: bool = True
    """Whether products that are out of stock are left out."""
    max_bytes: int = Field(default=2000, ge=1)
    """Largest request in bytes; a longer one is rejected as too_long."""

    def required_tables(self) -> tuple[str, ...]:
        """The tables that a run reads."""
        return ("shopper_requests", "products", *(("product_embeddings",) if self.ranking == "index" else ()))
