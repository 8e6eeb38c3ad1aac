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
    history: bool = False
    """Whether what the shopper of a request bought before (sizes, brands, and the price level of `user_profiles`, where
    there are any) reorders products that fit equally well, and is named in the reason. A request gets the history of
    its own `user_id` and no other. Needs `user_sequences`."""
    history_margin: float = Field(default=0.1, ge=0, lt=1)
    """How much lower, as a share, the score of a product may be that counts as fitting equally well."""
    max_bytes: int = Field(default=2000, ge=1)
    """Largest request in bytes; a longer one is rejected as too_long."""

    def required_tables(self) -> tuple[str, ...]:
        """The tables that a run reads."""
        history = ("user_sequences",) if self.history else ()
        index = ("product_embeddings",) if self.ranking == "index" else ()
        return ("shopper_requests", "products", *history, *index)

    def optional_tables(self) -> tuple[str, ...]:
        """The profiles, for price levels."""
        return ("user_profiles",) if self.history else ()
