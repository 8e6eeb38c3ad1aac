"""The inference stages that turn products (`embed_products`) and queries (`search_products`) into vectors."""

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

VERSION = 1  # of these stages; after a change every vector is computed again
_OUTPUTS = pa.schema([("vector", pa.binary()), ("language", pa.string())])


@dataclass(frozen=True)
class Embedding(BaseStage):
    """The common part of `ProductStage` and `QueryStage`: texts go through an encoder and come out as vectors.

    Attributes:
        engine: The engine that runs the encoder.
        encoder: The model's folder; "" for the fake engine.
        models: Digests of the model by name, part of the recipe.
        prefix: Text put before each text.
        outputs: The raw columns `vector` (float16 bytes) and `language`.
    """

    engine: EngineConfig
    encoder: str
    models: Mapping[str, str]
    prefix: str
    outputs: pa.Schema = field(default_factory=lambda: _OUTPUTS)

    @property
    def stateless(self) -> bool:
        """True if the engine loads nothing, so that the stage runs in tasks instead of actors."""
        return bool(getattr(self.engine, "light", False))

    def recipe(self) -> Mapping[str, Any]:
        """Return everything that can change a vector: stage, versions, engine, model digests and prefix."""
        return {
            "stage": type(self).__name__,
            "version": [VERSION, product_text.VERSION],
            "engine": self.engine.identity(),
            "models": dict(self.models),
            "prefix": self.prefix,
        }

    def judge(self, raw: pa.Table) -> pa.Array:
        """Return per row `invalid_output` if its vector is not finite or has length 0, else null."""
        bad = pa.array(without_meaning(raw["vector"]))
        return pc.if_else(bad, "invalid_output", pa.scalar(None, pa.string()))


@dataclass(frozen=True)
class ProductStage(Embedding):
    """The inference stage of `embed_products`.

    Attributes:
        max_bytes: Largest text of a product in bytes; a longer one is rejected.
        index: Digest of everything that the index depends on apart from the rows (`build.settings_digest`).
        content: The columns that the vector depends on.
        passthrough_columns: The columns that the published row takes over unchanged.
    """

    max_bytes: int = 20_000
    index: str = ""
    content: tuple[str, ...] = product_text.CONTENT
    passthrough_columns: tuple[str, ...] = (*CATALOGUE, "language")

    @property
    def checks(self) -> str:
        """Version of the checks and of the index's settings.

        If the index's settings change, the products are published and indexed again, and no vector is computed.
        """
        return f"{1 + visible.VERSION}/{self.index}"

    def check(self, content: pa.Table) -> pa.Array:
        """Return per product why it cannot be embedded (`empty`, `too_long`, `invalid_utf8`), or null."""
        return check_content(content, self.max_bytes)

    def open(self) -> Embedder:
        """Load the encoder and the language classifier."""
        load_classifier()  # now: the watchdog would take a slow first batch for a hanging one
        return Embedder(open_engine(self.engine, self.encoder or None), self.prefix, product_text.encoder_text)

    def publish(self, passed: pa.Table, raw: pa.Table) -> dict[str, pa.Array]:
        """Return the published columns: the vector in 8 bits, its scale, and the language.

        The language is that of the source row, else the classifier's guess, else "und".
        """
        codes, scales = quantised(matrix(raw["vector"]))
        return {
            "vector": pa.array([row.tobytes() for row in codes], pa.binary()),
            "scale": pa.array(scales),
            "language": pc.coalesce(passed["language"], raw["language"], pa.scalar("und")),
        }


@dataclass(frozen=True)
class QueryStage(Embedding):
    """The inference stage of `search_products` that embeds queries, before they are answered."""

    max_bytes: int = MAX_BYTES
    content: tuple[str, ...] = ("query",)
    passthrough_columns: tuple[str, ...] = ("query", "language", "filters", "k", "user_id")

    def check(self, content: pa.Table) -> pa.Array:
        """Return per query why it cannot be answered, or null.

        The reasons are `empty`, `too_long`, `invalid_utf8`, `control_characters` and `unknown_script`.
        """
        return refusals(content["query"].combine_chunks(), self.max_bytes)

    def refuse(self, passed: pa.Table, raw: pa.Table) -> pa.Array:
        """Return per query `bad_filter` if its `filters` cannot be parsed, else null."""
        bad = pa.array([wrong_filters(text) is not None for text in passed["filters"].to_pylist()], pa.bool_())
        return pc.if_else(bad, "bad_filter", pa.scalar(None, pa.string()))

    def open(self) -> Embedder:
        """Load the encoder."""
        return Embedder(open_engine(self.engine, self.encoder or None), self.prefix, query_text)

    def publish(self, passed: pa.Table, raw: pa.Table) -> dict[str, pa.Array]:
        """Return the published columns: the vector as computed (float16 bytes) and the language.

        The language is that of the source row, else the one that the query's script reveals, else null.
        """
        language = pc.coalesce(passed["language"], raw["language"])
        return {"vector": raw["vector"], "language": language}


class Embedder:
    """Encodes texts inside a Ray worker: the encoder is loaded once, and every vector has length 1.

    Attributes:
        encoder: The loaded encoder.
        prefix: Text put before each text.
        read: Makes the texts from a batch's columns (`product_text.encoder_text` or `query_text`).
    """

    def __init__(self, encoder: Encoder, prefix: str, read: Any) -> None:
        self.encoder, self.prefix, self.read = encoder, prefix, read

    def plan(self, content: pa.Table) -> list[np.ndarray]:
        """Split a batch into the engine calls that encode it; returns the row numbers of each call."""
        return list(self.encoder.plan(self._prefixed(self.read(content))))

    def run(self, content: pa.Table, attempts: np.ndarray) -> pa.Table:
        """Encode a batch.

        Returns:
            `vector` (float16 bytes), `language` (guessed for a product, by script for a query) and `tokens` (int32),
            [n].
        """
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
    """Return the text of each query that the encoder reads, string [n]."""
    return content["query"].combine_chunks()
