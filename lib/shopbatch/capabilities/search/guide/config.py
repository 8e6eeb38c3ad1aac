"""The configuration of `guide_shoppers`; imports nothing heavy."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from shopbatch.inference.config import InferenceConfig


class GuideShoppersConfig(InferenceConfig):
    """Configuration of the job guide_shoppers."""

    k: int = Field(default=3, ge=1, le=100)
    """Number of products in an answer, at most."""
    ranking: Literal["index", "words"] = "index"
    """How the products that meet a request are ranked. index: by the index of `embed_products` (words and vectors).
    words: by the words of the catalogue alone, which needs neither an index nor a model."""
    available_only: bool = True
    """Whether products that are out of stock are left out."""
    history: bool = False
    """Whether the shopper's earlier purchases (sizes, brands, and the price level of `user_profiles`, if there are any)
    reorder products that match a request equally well, and appear in the reason. Only the history of the request's own
    `user_id` is used. Needs `user_sequences`."""
    history_margin: float = Field(default=0.1, ge=0, lt=1)
    """Share (0 to 1) by which the scores of two products may differ if they are to count as matching the request
    equally well. 0: only products with equal scores are reordered by the history."""
    max_bytes: int = Field(default=2000, ge=1)
    """Largest request in bytes; a longer one is rejected as too_long."""

    def required_tables(self) -> tuple[str, ...]:
        """Return the tables that a run reads."""
        history = ("user_sequences",) if self.history else ()
        index = ("product_embeddings",) if self.ranking == "index" else ()
        return ("shopper_requests", "products", *history, *index)

    def optional_tables(self) -> tuple[str, ...]:
        """Return the tables that a run reads if they exist: the profiles, for price levels."""
        return ("user_profiles",) if self.history else ()
