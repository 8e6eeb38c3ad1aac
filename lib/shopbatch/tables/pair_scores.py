"""Declares the tables for reranking search results by a cross-encoder.

`rerank_pairs` holds the (query, product text) pairs to score, `pair_scores` their scores, `pair_scores_rejects` the
pairs without a score. `search_products` and `evaluate_search` write them if `rerank.model` is set.
"""

import pyarrow as pa

from shopbatch.tables.published import provenance, rejects_of
from shopbatch.tables.schema import Column, Nobody, Person, Table

_PAIR = Column("pair_id", pa.string(), "Hash of the query and the product's text, 32 hex digits.", nullable=False)

RERANK_PAIRS = Table(
    name="rerank_pairs",
    meaning="One row per query and product text that a cross-encoder reads. Written by search_products and "
    "evaluate_search if `rerank.model` is set.",
    key=("pair_id",),
    person=Person(quoted=("query", "text")),
    columns=(
        _PAIR,
        Column("query", pa.string(), "What the shopper typed.", nullable=False, free_text=True),
        Column("text", pa.string(), "What is read of the product.", nullable=False, free_text=True),
        Column("run_id", pa.string(), "The run that wrote the row.", nullable=False, machinery=True),
    ),
    job="search_products",
)
PAIR_SCORES = Table(
    name="pair_scores",
    meaning="One row per query and product text: how well they fit, as a cross-encoder says. Published by "
    "search_products and evaluate_search if `rerank.model` is set.",
    key=("pair_id",),
    person=Nobody("It names a query and a product by a hash of both."),
    columns=(
        _PAIR,
        Column("score", pa.float32(), "The score of the cross-encoder: the greater, the better.", nullable=False),
        *provenance("the query and the product's text", "the score (model, engine, ...)", "it was computed"),
    ),
    job="search_products",
)
PAIR_SCORES_REJECTS = rejects_of(
    PAIR_SCORES,
    "One row per query and product text without a score, with its reason; such a product keeps its place.",
    "engine_error, invalid_output, crash",
)
