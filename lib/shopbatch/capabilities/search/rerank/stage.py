"""Pairs of a query and a product's text -> scores: the stage of reranking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.capabilities.search.rerank.config import PairEngine
from shopbatch.inference.stage import BaseStage, check_content

VERSION = 1  # of what turns pairs into scores here
_MAX_BYTES = 100_000
_OUTPUTS = pa.schema([("score", pa.float32())])


@dataclass(frozen=True)
class RerankStage(BaseStage):
    """The stage. model: the cross-encoder's folder. digest: of its files, part of the recipe."""

    engine: PairEngine
    model: str
    digest: str
    content: tuple[str, ...] = ("query", "text")
    passthrough_columns: tuple[str, ...] = ()
    outputs: pa.Schema = field(default_factory=lambda: _OUTPUTS)

    def recipe(self) -> Mapping[str, Any]:
        return {"stage": "rerank", "version": VERSION, "engine": self.engine.identity(), "model": self.digest}

    def check(self, content: pa.Table) -> pa.Array:
        """Return empty, too_long or invalid_utf8, or null for a pair that can be read."""
        return check_content(content, _MAX_BYTES)

    def open(self) -> Any:
        from shopbatch.engines.pairs import open_cross_encoder

        return Scorer(open_cross_encoder(self.engine, self.model))

    def judge(self, raw: pa.Table) -> pa.Array:
        """Return invalid_output for a score that is no finite number."""
        return pc.if_else(pc.is_finite(raw["score"]), pa.scalar(None, pa.string()), "invalid_output")

    def publish(self, passed: pa.Table, raw: pa.Table) -> dict[str, pa.Array]:
        return {"score": raw["score"]}


class Scorer:
    """The stage inside a worker."""

    def __init__(self, encoder: Any) -> None:
        self.encoder = encoder

    def plan(self, content: pa.Table) -> list[np.ndarray]:
        return list(self.encoder.reader.plan(_pairs(content)))

    def run(self, content: pa.Table, attempts: np.ndarray) -> pa.Table:
        scores, tokens = self.encoder.score(_pairs(content))
        return pa.table({"score": pa.array(scores, pa.float32()), "tokens": pa.array(tokens, pa.int32())})


def _pairs(content: pa.Table) -> pa.Array:
    columns = [content[name].combine_chunks() for name in ("query", "text")]
    return pa.StructArray.from_arrays(columns, ["query", "text"])
