"""The inference stage of reranking: turns pairs of a query and a product's text into scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.capabilities.search.rerank.config import PairEngine
from shopbatch.inference.stage import BaseStage, check_content

VERSION = 1  # of this stage; after a change every pair is scored again
_MAX_BYTES = 100_000
_OUTPUTS = pa.schema([("score", pa.float32())])


@dataclass(frozen=True)
class RerankStage(BaseStage):
    """The inference stage that scores (query, product text) pairs with a cross-encoder.

    Attributes:
        engine: The engine that runs the cross-encoder.
        model: The model's folder.
        digest: Digest of the model's files, part of the recipe.
        content: The columns that a score depends on.
        passthrough_columns: Empty: no column of the source is copied into the published row.
        outputs: The raw column `score`, float32.
    """

    engine: PairEngine
    model: str
    digest: str
    content: tuple[str, ...] = ("query", "text")
    passthrough_columns: tuple[str, ...] = ()
    outputs: pa.Schema = field(default_factory=lambda: _OUTPUTS)

    def recipe(self) -> Mapping[str, Any]:
        """Return everything that can change a score: stage, version, engine and model."""
        return {"stage": "rerank", "version": VERSION, "engine": self.engine.identity(), "model": self.digest}

    def check(self, content: pa.Table) -> pa.Array:
        """Return per pair why it cannot be scored (`empty`, `too_long`, `invalid_utf8`), or null."""
        return check_content(content, _MAX_BYTES)

    def open(self) -> Any:
        """Load the cross-encoder."""
        from shopbatch.engines.pairs import open_cross_encoder

        return Scorer(open_cross_encoder(self.engine, self.model))

    def judge(self, raw: pa.Table) -> pa.Array:
        """Return per (query, product text) pair `invalid_output` if its score is not a finite number, else null."""
        return pc.if_else(pc.is_finite(raw["score"]), pa.scalar(None, pa.string()), "invalid_output")

    def publish(self, passed: pa.Table, raw: pa.Table) -> dict[str, pa.Array]:
        """Return the score unchanged."""
        return {"score": raw["score"]}


class Scorer:
    """Scores pairs inside a Ray worker: the cross-encoder is loaded once."""

    def __init__(self, encoder: Any) -> None:
        self.encoder = encoder

    def plan(self, content: pa.Table) -> list[np.ndarray]:
        """Split a batch of (query, text) pairs into engine calls, and return the row numbers of each call."""
        return list(self.encoder.reader.plan(_pairs(content)))

    def run(self, content: pa.Table, attempts: np.ndarray) -> pa.Table:
        """Score a batch of (query, product text) pairs.

        Returns:
            The columns `score` (float32) and `tokens` (int32), one row per pair.
        """
        scores, tokens = self.encoder.score(_pairs(content))
        return pa.table({"score": pa.array(scores, pa.float32()), "tokens": pa.array(tokens, pa.int32())})


def _pairs(content: pa.Table) -> pa.Array:
    columns = [content[name].combine_chunks() for name in ("query", "text")]
    return pa.StructArray.from_arrays(columns, ["query", "text"])
