"""The configuration of finetune_retriever. Cheap to import."""

from __future__ import annotations

from pydantic import Field

from shopbatch.capabilities.search.quality.config import Gates as SearchGates
from shopbatch.capabilities.search.quality.config import JudgedSearchConfig
from shopbatch.core.config import Strict
from shopbatch.training.config import LoopConfig, WorkersConfig


class PairsConfig(Strict):
    """Which queries and products become training examples."""

    grade: float = Field(default=0.5, gt=0, le=1)
    """Least grade of a product that a query is trained on, as a share of the greatest grade of its source."""
    per_query: int = Field(default=10, ge=1)
    """Most such products of a query; which ones is drawn."""
    hard: int = Field(default=3, ge=0)
    """Hard negatives of an example: products that the published index of words finds for its query, and that nobody
    judged useful for it. 0: only the products of the other examples of its block are negatives."""
    hard_depth: int = Field(default=50, ge=1)
    """The best so many products by words from which hard negatives are drawn."""
    clicks: bool = False
    """Whether the products that shoppers opened from their searches (`events`) count as judged useful, too. A click
    also says where a product stood, so that this teaches the order of the present search along."""
    judged_clicks: bool = False
    """Whether the queries and products of `search_judgements` (clicks corrected for places, by judge_by_clicks) are
    trained on beside those that people judged. They never choose, tune or judge: `judged_by` says who does."""
    least_visits: int = Field(default=3, ge=1)
    """Visits in which a product was opened from a query before the pair counts."""


class RetrieverConfig(Strict):
    """How the encoder is trained. Its layers, pooling and prefixes are those of the base's `encoder.json`."""

    temperature: float = Field(default=0.05, gt=0)
    """What cosines are divided by in the loss: the lower, the more the nearest negatives count."""
    freeze: tuple[str, ...] = ("embeddings.",)
    """Parameters whose names begin with one of these texts are not trained."""
    mix: float = Field(default=0.8, gt=0, le=1)
    """Share of the trained weights in what is published; the rest are the weights before training."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Dropout of the encoder's hidden states during training."""
    token_dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of the tokens that are hidden during training."""


class Gates(SearchGates):
    """What a search with the trained encoder must reach."""

    better: bool = True
    """Whether it must surely be better than the same search with the live encoder, and not only no worse: a new encoder
    computes every vector anew."""


class FinetuneRetrieverConfig(JudgedSearchConfig):
    """Configuration of the job finetune_retriever. The engine is that of the published index."""

    base: str = "e5-small-search"
    """Encoder to start from: `e5-small-search` (built from the sample's package), a folder, `name@digest`, or
    `owner/model` of the hub."""
    min_labelled: int = Field(default=100, ge=2)
    """Fewest judged queries of those that choose, in all and in a language, from which fusion weights are tuned."""
    least_pairs: int = Field(default=500, ge=1)
    """Fewest pairs of a query and a useful product to train on. With fewer the run ends at once (exit code 2)."""
    embedders: int | None = Field(default=None, ge=1)
    """Number of workers that compute the products' vectors. null: one per CPU."""
    pairs: PairsConfig = PairsConfig()
    """Which queries and products become training examples."""
    encoder: RetrieverConfig = RetrieverConfig()
    """How the encoder is trained."""
    loop: LoopConfig = LoopConfig()
    """The training run. `loop.block_tokens` says how many products a query is compared with: those of its block."""
    workers: WorkersConfig = WorkersConfig()
    """Where the training runs, and on how many workers."""
    gates: Gates = Gates()
    """What a search with the trained encoder must reach."""

    def required_tables(self) -> tuple[str, ...]:
        """The tables that a run reads."""
        clicked = {"search_judgements"} if self.pairs.judged_clicks else set()
        return (*sorted({self.judgements} | clicked), "products", "product_embeddings")

    def optional_tables(self) -> tuple[str, ...]:
        """The events, for clicks."""
        return ("events",)

    def required_models(self) -> dict[str, str]:
        """The encoder that training starts from."""
        return {"base": self.base}
