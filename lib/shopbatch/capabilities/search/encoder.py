"""Finds, checks and describes the sentence encoder of a search."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from pydantic import TypeAdapter

from shopbatch.capabilities.search.config import EmbedProductsConfig
from shopbatch.capabilities.search.index_files import EncoderUsed
from shopbatch.capabilities.search.stage import QueryStage
from shopbatch.core.errors import UserError
from shopbatch.engines.base import encode_all
from shopbatch.engines.configs import EngineConfig
from shopbatch.engines.factory import open_engine
from shopbatch.models.encoder_spec import EncoderSpec
from shopbatch.models.folder import ModelError, local
from shopbatch.models.registry import Model, base, find
from shopbatch.tables.judgements import JUDGEMENTS
from shopbatch.tables.search_judgements import SEARCH_JUDGEMENTS
from shopbatch.vectors.dense import normalised


@dataclass(frozen=True)
class SearchEncoder:
    """A sentence encoder, with the prefixes for queries and products.

    Attributes:
        engine: The engine that runs the encoder.
        path: The model's folder; "" for the fake engine.
        used: Model, engine settings and query prefix, in the form in which an index's manifest records its encoder.
        passage_prefix: Text put before a product's text.
        trained: Whether the model was trained on judged queries by `finetune_retriever`. `evaluate_search` must then
            tune on other queries (see `quality.queries.fair_to_tune_on`).
    """

    engine: EngineConfig
    path: str
    used: EncoderUsed
    passage_prefix: str = ""
    trained: bool = False

    @property
    def models(self) -> dict[str, str]:
        """The digest of the model by name, for the recipe of an inference job."""
        return {"encoder": self.used.digest}

    def query_stage(self, max_bytes: int) -> QueryStage:
        """Return the inference stage that embeds queries of at most `max_bytes` bytes."""
        return QueryStage(self.engine, self.path, self.models, self.used.query_prefix, max_bytes=max_bytes)

    def embed_queries(self, texts: list[str]) -> np.ndarray:
        """Encode queries in this process; return their vectors at length 1, float32 [n, dim]."""
        prefixed = pa.array([self.used.query_prefix + text for text in texts], pa.string())
        return normalised(encode_all(open_engine(self.engine, self.path or None), prefixed).vectors)


def configured_encoder(config: EmbedProductsConfig, root: str) -> SearchEncoder:
    """Find the encoder that `embed_products` is configured with, and copy it into the registry if it is not there.

    Args:
        config: Settings of `embed_products`.
        root: The warehouse.

    Raises:
        ModelError: The model is missing or damaged.
    """
    engine = config.engine
    if engine.kind == "fake":
        prefixes = config.query_prefix or "", config.passage_prefix or ""
        used = EncoderUsed(
            engine=engine.identity(), digest="fake", reference="", asked=config.encoder, query_prefix=prefixes[0]
        )
        return SearchEncoder(engine, "", used, prefixes[1])
    return encoder_with(config, base(f"{root}/_models", config.encoder))


def encoder_with(config: EmbedProductsConfig, model: Model) -> SearchEncoder:
    """Return a model of the registry as a search encoder.

    The prefixes are those of the configuration, or else those of the model's `encoder.json`.

    Args:
        config: Settings of `embed_products`.
        model: The model.

    Raises:
        ModelError: The model's `encoder.json` is wrong.
    """
    spec = EncoderSpec.load(Path(local(model.path)))
    used = EncoderUsed(
        engine=config.engine.identity(),
        digest=model.digest,
        reference=model.reference,
        asked=config.encoder,
        query_prefix=spec.query if config.query_prefix is None else config.query_prefix,
    )
    passage = spec.passage if config.passage_prefix is None else config.passage_prefix
    return SearchEncoder(config.engine, model.path, used, passage, _is_trained(model))


def encoder_of(used: EncoderUsed, root: str) -> SearchEncoder:
    """Find the encoder of an index, with which the index's queries must be encoded.

    Args:
        used: The encoder as the index's manifest describes it.
        root: The warehouse.

    Raises:
        UserError: The model is no longer in the warehouse, or is damaged.
    """
    engine: EngineConfig = TypeAdapter(EngineConfig).validate_python(used.engine)
    if not used.reference:
        return SearchEncoder(engine, "", used)
    try:
        model = find(f"{root}/_models", used.reference)
    except ModelError as error:
        raise UserError(
            f"the index is of encoder {used.reference}, which cannot be used ({error}): "
            "make the index again with `shopbatch run embed_products`"
        ) from None
    return SearchEncoder(engine, model.path, used, trained=_is_trained(model))


def _is_trained(model: Model) -> bool:
    return model.manifest.get("trained_on") in (JUDGEMENTS.name, SEARCH_JUDGEMENTS.name)
