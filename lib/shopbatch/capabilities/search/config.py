"""The configurations of `embed_products` and `search_products`; imports nothing heavy, since `--help` reads it."""

from __future__ import annotations

from pydantic import Field

from shopbatch.capabilities.search.rerank.config import RerankSettings
from shopbatch.capabilities.search.settings import FusionSettings, LexicalSettings, VectorSettings
from shopbatch.engines.configs import WITHOUT_MODEL, EngineConfig
from shopbatch.inference.config import InferenceConfig


class EmbedProductsConfig(InferenceConfig):
    """Configuration of the job embed_products."""

    engine: EngineConfig
    """Engine that turns a product's text into a vector. `search_products` and `shopbatch search` encode queries with
    the same engine."""
    encoder: str = "e5-small-search"
    """Sentence encoder: `e5-small-search` (built from the sample's package), a folder, `name@digest`, or `owner/model`
    of the Hugging Face hub. A change computes all vectors again."""
    query_prefix: str | None = None
    """Text put before a query, such as "query: ". null: the prefix that the encoder's `encoder.json` names."""
    passage_prefix: str | None = None
    """Text put before a product's text, such as "passage: ". null: the prefix that the encoder's `encoder.json`
    names."""
    max_bytes: int = Field(default=20_000, ge=1)
    """Largest text in bytes; a product with a longer one is rejected as too_long."""
    lexical: LexicalSettings = LexicalSettings()
    """How words are scored (BM25F). A change builds the index again and computes no vector."""
    vectors: VectorSettings = VectorSettings()
    """How the nearest vectors are found: exact search or lists (IVF). A change builds the index again and computes no
    vector."""
    fusion: FusionSettings = FusionSettings()
    """How the lexical and the dense score are combined. A change builds the index again and computes no vector."""
    understand: bool = True
    """Whether the index also holds what each product states (price, colour, material, ...), so that a search leaves out
    products that contradict the query: "black dress under 50" returns no dress at 60, and no red one. false: a query is
    only words."""
    tuned: bool = True
    """Whether to use the fusion weights that evaluate_search tuned for this encoder and accepted, if there are any and
    nothing under `fusion` is set. false: always use `fusion` as it is."""

    def required_tables(self) -> tuple[str, ...]:
        """Return the tables that a run reads."""
        return ("products",)

    def required_models(self) -> dict[str, str]:
        """Return the models that a run needs, by key: the encoder, unless the engine loads none."""
        return {} if self.engine.kind in WITHOUT_MODEL else {"encoder": self.encoder}


class SearchProductsConfig(InferenceConfig):
    """Configuration of the job search_products. The encoder and its settings come from the index."""

    k: int = Field(default=10, ge=1, le=1000)
    """Number of products in an answer, at most, for a query whose row in `queries` sets no `k`."""
    literal: bool = False
    """Whether queries are taken as words alone. false: "red dress under 50" is also a condition on price and colour."""
    max_bytes: int = Field(default=2000, ge=1)
    """Largest query in bytes; a longer one is rejected as too_long."""
    rerank: RerankSettings = RerankSettings()
    """A cross-encoder that reranks the best products of each query. Set it once evaluate_search has accepted it for
    your catalogue."""

    def required_tables(self) -> tuple[str, ...]:
        """Return the tables that a run reads."""
        return ("queries", "product_embeddings")

    def required_models(self) -> dict[str, str]:
        """Return the models that a run needs, by key: the cross-encoder, if one is configured."""
        return {} if self.rerank.model is None else {"rerank.model": self.rerank.model}
