"""The configurations of embed_products and search_products. Cheap to import."""

from __future__ import annotations

from pydantic import Field

from shopbatch.capabilities.search.rerank.config import RerankSettings
from shopbatch.capabilities.search.settings import FusionSettings, LexicalSettings, VectorSettings
from shopbatch.engines.configs import WITHOUT_MODEL, EngineConfig
from shopbatch.inference.config import InferenceConfig


class EmbedProductsConfig(InferenceConfig):
    """Configuration of the job embed_products."""

    engine: EngineConfig
    """Engine that turns a product's text into a vector. `search_products` and `shopbatch search` use the same."""
    encoder: str = "e5-small-search"
    """Sentence encoder: `e5-small-search` (built from the sample's package), a folder, `name@digest`, or `owner/model`
    of the hub."""
    query_prefix: str | None = None
    """Text put before a query. null: what the encoder's `encoder.json` says."""
    passage_prefix: str | None = None
    """Text put before a product's text. null: what the encoder's `encoder.json` says."""
    max_bytes: int = Field(default=20_000, ge=1)
    """Largest text in bytes; a product with a longer one is rejected as too_long."""
    lexical: LexicalSettings = LexicalSettings()
    """How words are scored. A change makes the index again and computes no vector."""
    vectors: VectorSettings = VectorSettings()
    """How the nearest vectors are looked for. A change makes the index again and computes no vector."""
    fusion: FusionSettings = FusionSettings()
    """How the two scores become one. A change makes the index again and computes no vector."""
    understand: bool = True
    """Whether the index also holds what each product states (price, colour, material, ...), so that a search leaves out
    what contradicts its query: "black dress under 50" shows nothing at 60, and no red one. false: a query is words."""
    tuned: bool = True
    """Whether to take the fusion weights that evaluate_search tuned for this encoder and accepted, if there are any and
    `fusion` names none of its own. false: `fusion` as it is."""

    def required_tables(self) -> tuple[str, ...]:
        """The table that a run reads."""
        return ("products",)

    def required_models(self) -> dict[str, str]:
        """The encoder, unless the engine loads none."""
        return {} if self.engine.kind in WITHOUT_MODEL else {"encoder": self.encoder}


class SearchProductsConfig(InferenceConfig):
    """Configuration of the job search_products. The encoder and its settings are those of the index."""

    k: int = Field(default=10, ge=1, le=1000)
    """Most products of an answer, for a query that does not say it."""
    literal: bool = False
    """Whether queries are taken as words alone: nothing that they say is a condition."""
    max_bytes: int = Field(default=2000, ge=1)
    """Largest query in bytes; a longer one is rejected as too_long."""
    rerank: RerankSettings = RerankSettings()
    """A cross-encoder that reranks the best products of every query. Set it where evaluate_search accepted it."""

    def required_tables(self) -> tuple[str, ...]:
        """The tables that a run reads."""
        return ("queries", "product_embeddings")

    def required_models(self) -> dict[str, str]:
        """The cross-encoder, if there is one."""
        return {} if self.rerank.model is None else {"rerank.model": self.rerank.model}
