"""The configuration of `finetune_retriever`; imports nothing heavy."""

from __future__ import annotations

from pydantic import Field

from shopbatch.capabilities.search.quality.config import Gates as SearchGates
from shopbatch.capabilities.search.quality.config import JudgedSearchConfig
from shopbatch.core.config import Strict
from shopbatch.training.config import LoopConfig, WorkersConfig


class PairsConfig(Strict):
    """Settings that select the queries and products for training examples."""

    grade: float = Field(default=0.5, gt=0, le=1)
    """Least grade of a product to be a positive of its query, as a share of the greatest grade of its source."""
    per_query: int = Field(default=10, ge=1)
    """Number of positives of a query, at most; if there are more, some are drawn at random."""
    hard: int = Field(default=3, ge=0)
    """Number of hard negatives per example: products that the index finds by words for the query and that nobody judged
    useful for it. 0: only the products of the other examples of the block are negatives."""
    hard_depth: int = Field(default=50, ge=1)
    """Hard negatives are drawn from this many best products by words."""
    clicks: bool = False
    """Whether products that shoppers opened from their searches (`events`) count as useful, too. A click also depends
    on the product's place in the list, so that the encoder also learns the order of the present search."""
    judged_clicks: bool = False
    """Whether to train on `search_judgements` as well (clicks corrected for places, by judge_by_clicks). They are never
    used to choose, tune or judge; `judged_by` names the judgements for that."""
    least_visits: int = Field(default=3, ge=1)
    """Least number of visits in which a product was opened from a query, for this query and product to be used as an
    example (with `clicks`)."""


class RetrieverConfig(Strict):
    """Settings of the encoder's training. Layers, pooling and prefixes are those of the base model's `encoder.json`."""

    temperature: float = Field(default=0.05, gt=0)
    """Divisor of the cosines in the loss: the lower, the more the nearest negatives count."""
    freeze: tuple[str, ...] = ("embeddings.",)
    """Parameters whose names begin with one of these texts are not trained. Empty: all are trained."""
    mix: float = Field(default=0.8, gt=0, le=1)
    """Share of the trained weights in the published encoder (0 to 1); the rest are the weights before training. Lower
    keeps more of what the base model knows."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Dropout of the encoder's hidden states during training."""
    token_dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of the tokens that are hidden from the encoder during training. 0: none."""


class Gates(SearchGates):
    """Conditions that a search with the trained encoder must meet."""

    better: bool = True
    """Whether the search must be significantly better than with the live encoder. false: not being worse is enough. A
    new encoder means that every vector is computed again."""


class FinetuneRetrieverConfig(JudgedSearchConfig):
    """Configuration of the job finetune_retriever. The engine is that of the published index."""

    base: str = "e5-small-search"
    """Encoder to start from: `e5-small-search` (built from the sample's package), a folder, `name@digest`, or
    `owner/model` of the Hugging Face hub."""
    min_labelled: int = Field(default=100, ge=2)
    """Least number of judged queries, overall and per language, to tune fusion weights. The weights are tuned on the 30
    % of the tuning half that is not trained on."""
    least_pairs: int = Field(default=500, ge=1)
    """Least number of pairs of a query and a useful product to train on. With fewer the run ends at once (exit code
    2)."""
    embedders: int | None = Field(default=None, ge=1)
    """Number of workers that compute the products' vectors. null: one per CPU."""
    pairs: PairsConfig = PairsConfig()
    """Which queries and products become training examples."""
    encoder: RetrieverConfig = RetrieverConfig()
    """Settings of the encoder's training: loss, dropout, frozen parameters."""
    loop: LoopConfig = LoopConfig()
    """The training loop. `loop.block_tokens` sets how many products a query is compared with: those of the same
    block."""
    workers: WorkersConfig = WorkersConfig()
    """Where the training runs, and on how many workers."""
    gates: Gates = Gates()
    """Conditions that the search with the trained encoder must meet."""

    def required_tables(self) -> tuple[str, ...]:
        """Return the tables that a run reads."""
        clicked = {"search_judgements"} if self.pairs.judged_clicks else set()
        return (*sorted({self.judgements} | clicked), "products", "product_embeddings")

    def optional_tables(self) -> tuple[str, ...]:
        """Return the tables that a run reads if they exist: the events, for clicks."""
        return ("events",)

    def required_models(self) -> dict[str, str]:
        """Return the models that a run needs, by key: the encoder that training starts from."""
        return {"base": self.base}
