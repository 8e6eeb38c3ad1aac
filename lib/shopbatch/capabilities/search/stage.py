"""Products and queries -> vectors: the stages of embed_products and search_products."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.capabilities.search import product_text
from shopbatch.capabilities.search.conditions import wrong_filters
from shopbatch.capabilities.search.query_check import MAX_BYTES, refusals
from shopbatch.engines.base import Encoder
from shopbatch.engines.configs import EngineConfig
from shopbatch.engines.factory import open_engine
from shopbatch.inference.stage import BaseStage, check_content
from shopbatch.tables.product_embeddings import CATALOGUE
from shopbatch.text import visible
from shopbatch.text.language import detect_language, guess_language, load_classifier
from shopbatch.vectors.columns import matrix, without_meaning
from shopbatch.vectors.dense import normalised, quantised

VERSION = 1  # of what turns texts into vectors here
_OUTPUTS = pa.schema([("vector", pa.binary()), ("language", pa.string())])


@dataclass(frozen=True)
class Embedding(BaseStage):
    """What both stages share. encoder: model folder ("" for the fake engine). models: digests, part of the recipe."""

    engine: EngineConfig
    encoder: str
    models: Mapping[str, str]
    prefix: str
    outputs: pa.Schema = field(default_factory=lambda: _OUTPUTS)

    @property
    def stateless(self) -> bool:
        return bool(getattr(self.engine, "light", False))

    def recipe(self) -> Mapping[str, Any]:
        return {
            "stage": type(self).__name__,
            "version": [VERSION, product_text.VERSION],
            "engine": self.engine.identity(),
            "models": dict(self.models),
            "prefix": self.prefix,
        }

    def judge(self, raw: pa.Table) -> pa.Array:
        """Return invalid_output for a vector that is not finite or has no length."""
        bad = pa.array(without_meaning(raw["vector"]))
        return pc.if_else(bad, "invalid_output", pa.scalar(None, pa.string()))


@dataclass(frozen=True)
class ProductStage(Embedding):
    """The stage of `embed_products`. index: names all that the index depends on apart from the rows."""

    max_bytes: int = 20_000
    index: str = ""
    content: tuple[str, ...] = product_text.CONTENT
    passthrough_columns: tuple[str, ...] = (*CATALOGUE, "language")

    @property
    def checks(self) -> str:
        """The index is made again when its settings change, and no vector with it."""
        return f"{1 + visible.VERSION}/{self.index}"

    def check(self, content: pa.Table) -> pa.Array:
        """Return empty, too_long or invalid_utf8, or null for a product that can be embedded."""
        return check_content(content, self.max_bytes)

    def open(self) -> Embedder:
        load_classifier()  # here, since the watchdog takes a first batch of many seconds for one that hangs
        return Embedder(open_engine(self.engine, self.encoder or None), self.prefix, product_text.encoder_text)

    def publish(self, passed: pa.Table, raw: pa.Table) -> dict[str, pa.Array]:
        codes, scales = quantised(matrix(raw["vector"]))
        return {
            "vector": pa.array([row.tobytes() for row in codes], pa.binary()),
            "scale": pa.array(scales),
            "language": pc.coalesce(passed["language"], raw["language"], pa.scalar("und")),
        }


@dataclass(frozen=True)
class QueryStage(Embedding):
    """The first stage of `search_products`."""

    max_bytes: int = MAX_BYTES
    content: tuple[str, ...] = ("query",)
    passthrough_columns: tuple[str, ...] = ("query", "language", "filters", "k", "user_id")

    def check(self, content: pa.Table) -> pa.Array:
        """Return empty, too_long, invalid_utf8, control_characters or unknown_script, or null."""
        return refusals(content["query"].combine_chunks(), self.max_bytes)

    def refuse(self, passed: pa.Table, raw: pa.Table) -> pa.Array:
        """Return bad_filter for a query whose filters cannot be read."""
        bad = pa.array([wrong_filters(text) is not None for text in passed["filters"].to_pylist()], pa.bool_())
        return pc.if_else(bad, "bad_filter", pa.scalar(None, pa.string()))

    def open(self) -> Embedder:
        return Embedder(open_engine(self.engine, self.encoder or None), self.prefix, query_text)

    def publish(self, passed: pa.Table, raw: pa.Table) -> dict[str, pa.Array]:
        language = pc.coalesce(passed["language"], raw["language"])
        return {"vector": raw["vector"], "language": language}


class Embedder:
    """A stage inside a worker. Its vectors have length 1."""

    def __init__(self, encoder: Encoder, prefix: str, read: Any) -> None:
        self.encoder, self.prefix, self.read = encoder, prefix, read

    def plan(self, content: pa.Table) -> list[np.ndarray]:
        return list(self.encoder.plan(self._prefixed(self.read(content))))

    def run(self, content: pa.Table, attempts: np.ndarray) -> pa.Table:
        texts = self.read(content)
        encoded = self.encoder.encode(self._prefixed(texts))
        vectors = normalised(encoded.vectors).astype(np.float16)
        language = guess_language(texts) if self.read is product_text.encoder_text else detect_language(texts)
        columns = {
            "vector": pa.array([row.tobytes() for row in vectors], pa.binary()),
            "language": language,
            "tokens": pa.array(encoded.tokens.astype(np.int32)),
        }
        return pa.table(columns)

    def _prefixed(self, texts: pa.Array) -> pa.Array:
        return pc.binary_join_element_wise(self.prefix, texts, "") if self.prefix else texts


def query_text(content: pa.Table) -> pa.Array:
    """Return what the encoder reads of a query, string [n]."""
    return content["query"].combine_chunks()
