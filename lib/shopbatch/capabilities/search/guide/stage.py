"""The inference stage of `guide_shoppers`: turns requests into products with reasons.

The memo keeps only the costly part of a request: its vector, if the index ranks. Everything that depends on the
catalogue is computed when the table is published. So a changed catalogue (its version is part of `checks`) answers
every request again and embeds none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.capabilities.search.filters import mask
from shopbatch.capabilities.search.guide import history, reasons
from shopbatch.capabilities.search.guide.advice import Advice, Guide, wanted
from shopbatch.capabilities.search.guide.catalogue import READ, Catalogue, IndexRetriever, WordRetriever
from shopbatch.capabilities.search.guide.history import History
from shopbatch.capabilities.search.index_files import Manifest, read_index
from shopbatch.capabilities.search.query_check import refusals
from shopbatch.capabilities.search.stage import Embedder, Embedding
from shopbatch.capabilities.search.statements import VERSION as STATEMENTS
from shopbatch.capabilities.search.statements import value_of
from shopbatch.capabilities.search.understanding.understand import VERSION as UNDERSTANDING
from shopbatch.engines.factory import open_engine
from shopbatch.inference.stage import BaseStage
from shopbatch.tables.guided_products import GUIDED_PRODUCTS
from shopbatch.text.injection import is_injection
from shopbatch.vectors.columns import matrix
from shopbatch.warehouse.snapshot import Snapshot

VERSION = 2  # of the answers; after a change every request is answered again
_VECTOR = pa.schema([("vector", pa.binary())])


@dataclass(frozen=True)
class Sources:
    """The catalogue and the search index that answers are made from, each in the version that the run has pinned.

    Attributes:
        products: The snapshot of the catalogue (table `products`).
        folder: The index's folder; "" if products are ranked by words alone.
        manifest: The index's manifest; empty if products are ranked by words alone.
    """

    products: Snapshot
    folder: str = ""
    manifest: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """A text that identifies the versions of catalogue and index: `TABLE_ID@VERSION/INDEX_KEY`."""
        return f"{self.products.table_id}@{self.products.version}/{self.manifest.get('key', 'words')}"


@dataclass(frozen=True)
class GuideStage(BaseStage):
    """The inference stage of `guide_shoppers`: answers each shopper's request with products and reasons.

    Attributes:
        sources: The versions of the catalogue and of the search index that the answers are made from.
        k: Greatest number of products of an answer.
        available_only: True to recommend only products that are in stock.
        max_bytes: Longest request, in bytes of UTF-8; longer ones are rejected.
        embedding: The stage that encodes a request as a vector; None if products are ranked by words alone.
        margin: Share (0 to 1) by which the scores of two products may differ, so that the shopper's earlier purchases
            (column `history`) may change their order (see `Guide.margin`). None: earlier purchases are not used, and
            the source has no such column.
        outputs: Schema of the raw results that the memo keeps: the column `vector`, the encoded request.
    """

    sources: Sources
    k: int = 3
    available_only: bool = True
    max_bytes: int = 2000
    embedding: Embedding | None = None
    margin: float | None = None
    outputs: pa.Schema = field(default_factory=lambda: _VECTOR)

    @property
    def content(self) -> tuple[str, ...]:
        """The columns that an answer depends on: the text and, if used, the history."""
        return ("text",) if self.margin is None else ("history", "text")

    @property
    def passthrough_columns(self) -> tuple[str, ...]:
        """The columns of a request that the published row takes over."""
        return ("text", "user_id", "language", *(() if self.margin is None else ("history",)))

    @property
    def stateless(self) -> bool:
        """True if no encoder has to be loaded, so that the stage runs in tasks instead of actors."""
        return self.embedding is None or self.embedding.stateless

    @property
    def engine_kind(self) -> str:
        """Name of the encoder's engine; "none" if products are ranked by words alone."""
        return self.embedding.engine.kind if self.embedding is not None else "none"

    @property
    def checks(self) -> str:
        """Text of what an answer depends on besides the request: versions of rules, settings, catalogue and index.

        If it changes, all requests are answered again, and none is embedded.
        """
        rules = f"{VERSION}.{UNDERSTANDING}.{STATEMENTS}.{reasons.VERSION}"
        liked = "" if self.margin is None else f"/{history.VERSION}.{self.margin}"
        return f"{rules}/{self.k}/{self.available_only}{liked}/{self.sources.name}"

    def recipe(self) -> Mapping[str, Any]:
        """Return everything that can change a request's vector, as nested mappings."""
        vectors = dict(self.embedding.recipe()) if self.embedding is not None else "none"
        liked = {} if self.margin is None else {"history": history.VERSION}
        return {"stage": "guide", "vectors": vectors, **liked}

    def check(self, content: pa.Table) -> pa.Array:
        """Return per request why it cannot be answered, or null.

        The reasons are `empty`, `too_long`, `invalid_utf8`, `control_characters`, `unknown_script` and `injected` (a
        prompt injection).
        """
        texts = content["text"].combine_chunks()
        reason = refusals(texts, self.max_bytes)
        readable = pc.if_else(pc.is_null(reason), texts, "")
        hostile = pa.array([is_injection(text) for text in readable.to_pylist()], pa.bool_())
        return pc.if_else(hostile, "injected", reason)

    def open(self) -> Any:
        """Load the encoder; nothing is loaded if products are ranked by words alone."""
        if self.embedding is None:
            return _NoVectors()
        encoder = open_engine(self.embedding.engine, self.embedding.encoder or None)
        return _Vectors(Embedder(encoder, self.embedding.prefix, _text))

    def judge(self, raw: pa.Table) -> pa.Array:
        """Return per request `invalid_output` if its vector is not finite or has length 0, else null."""
        if self.embedding is None:
            return pa.nulls(raw.num_rows, pa.string())
        return self.embedding.judge(raw)

    def publish(self, passed: pa.Table, raw: pa.Table) -> dict[str, pa.Array]:
        """Answer the requests from the catalogue, and return the published columns."""
        none = pa.nulls(passed.num_rows, pa.string())
        before = none if self.margin is None else passed["history"]
        asked = zip(passed["text"].to_pylist(), passed["language"].to_pylist(), before.to_pylist(), strict=True)
        guide = _guide(self)
        given = [
            guide.advise(text, language, vector, History.of(bought))
            for (text, language, bought), vector in zip(asked, self._vectors(raw), strict=True)
        ]
        rows = [_row(guide.catalogue, advice) for advice in given]
        schema = GUIDED_PRODUCTS.schema()
        made = {name: pa.array([row[name] for row in rows], schema.field(name).type) for name in _NAMES}
        return made | {"catalogue": pa.repeat(self.sources.name, len(rows)), "history": before}

    def _vectors(self, raw: pa.Table) -> list[np.ndarray | None]:
        return [None] * raw.num_rows if self.embedding is None else list(matrix(raw["vector"]))

    def measure(self, published: pa.Table) -> dict[str, float]:
        """Count errors in published answers by checking them against the catalogue, for the gates of the stage.

        Returns:
            "unbacked claims": the number of claims whose quoted text is not in the product's row. "broken constraints":
            the number of products that violate a constraint of their request.
        """
        guide = _guide(self)
        catalogue = guide.catalogue
        numbers = {name: number for number, name in enumerate(catalogue.ids)}
        unbacked = broken = 0
        columns = (published[name].to_pylist() for name in ("text", "language", "products"))
        for text, language, products in zip(*columns, strict=True):
            asked = wanted(guide.read(text, language)) if products else []
            keep = mask(catalogue.facts, asked, catalogue.vocabulary).keep
            for product in products:
                number = numbers[product["product_id"]]
                broken += not keep[number]
                unbacked += sum(not _is_backed(catalogue.row(number), e) for e in product["evidence"])
        return {"unbacked claims": float(unbacked), "broken constraints": float(broken)}

    def limits(self) -> dict[str, float]:
        """Return the largest allowed values of `measure`: 0 unbacked claims and 0 broken constraints."""
        return {"unbacked claims": 0.0, "broken constraints": 0.0}


def _is_backed(row: Mapping[str, Any], evidence: Mapping[str, Any]) -> bool:
    text = value_of(row, evidence["column"])[evidence["start"] : evidence["end"]]
    return bool(text) and text == evidence["text"] and text in evidence["claim"]


_NAMES = ("language", "type", "constraints", "unknown", "outcome", "message", "products")


def _row(catalogue: Catalogue, advice: Advice) -> dict[str, Any]:
    """Return the published columns of one answer, by name."""
    need = advice.need
    constraints = [
        {"kind": c.kind, "op": c.op, "value": _text_of(c.value), "currency": c.currency, "start": c.start, "end": c.end}
        for c in need.constraints
    ]
    products = [
        {
            "product_id": catalogue.ids[pick.ranked.number],
            "score": pick.ranked.score,
            "lexical": _known(pick.ranked.lexical),
            "dense": _known(pick.ranked.dense),
            "reason": pick.reason,
            "evidence": [vars(e) for e in pick.evidence],
        }
        for pick in advice.picks
    ]
    said = (
        need.language,
        need.type,
        constraints,
        [str(c) for c in need.unknown],
        advice.outcome,
        advice.message or None,
    )
    return dict(zip(_NAMES, (*said, products), strict=True))


def _text_of(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:g}" if value < 1e6 else f"{value:.0f}"


def _known(score: float) -> float | None:
    return None if np.isnan(score) else score


def _text(content: pa.Table) -> pa.Array:
    return content["text"].combine_chunks()


class _Vectors:
    """Encodes requests inside a Ray worker, if products are ranked by the search index; the memo stores the vectors."""

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder

    def plan(self, content: pa.Table) -> list[np.ndarray]:
        return self.embedder.plan(content)

    def run(self, content: pa.Table, attempts: np.ndarray) -> pa.Table:
        return self.embedder.run(content, attempts).select(["vector", "tokens"])


class _NoVectors:
    """Takes the encoder's place if products are ranked by words alone: returns null vectors."""

    def plan(self, content: pa.Table) -> list[np.ndarray]:
        return [np.arange(content.num_rows)] if content.num_rows else []

    def run(self, content: pa.Table, attempts: np.ndarray) -> pa.Table:
        none = np.zeros(content.num_rows, np.int32)
        return pa.table({"vector": pa.nulls(content.num_rows, pa.binary()), "tokens": pa.array(none)})


def _guide(stage: GuideStage) -> Guide:
    """Return the guide of a stage. A process reads the catalogue and the index once and caches them."""
    catalogue, retriever = _loaded(_Pinned(stage.sources))
    return Guide(catalogue, retriever, stage.k, stage.available_only, stage.margin or 0.0)


class _Pinned:
    """Wraps `Sources` as a cache key: two keys are equal if their versions of catalogue and index are equal."""

    def __init__(self, sources: Sources) -> None:
        self.sources = sources

    def __hash__(self) -> int:
        return hash((self.sources.name, self.sources.products.uri))

    def __eq__(self, other: object) -> bool:
        same = isinstance(other, _Pinned) and other.sources.name == self.sources.name
        return same and other.sources.products.uri == self.sources.products.uri  # type: ignore[attr-defined]


@lru_cache(maxsize=1)
def _loaded(pinned: _Pinned) -> tuple[Catalogue, IndexRetriever | WordRetriever]:
    sources = pinned.sources
    catalogue = Catalogue.of(sources.products.read(READ))
    if not sources.folder:
        return catalogue, WordRetriever(catalogue)
    return catalogue, IndexRetriever(catalogue, read_index(sources.folder, Manifest.model_validate(sources.manifest)))
