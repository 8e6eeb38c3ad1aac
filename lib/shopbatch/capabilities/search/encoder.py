"""The encoder of a search: found, checked and opened."""

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
    """An encoder with the texts put before queries and products.

    Attributes:
        engine: The engine.
        path: The model's folder; empty for the fake engine.
        used: What an index remembers of it.
        passage_prefix: Text put before a product's text.
        trained: Whether it was trained on judged queries of the tuning half (see `quality.queries`).
    """

    engine: EngineConfig
    path: str
    used: EncoderUsed
    passage_prefix: str = ""
    trained: bool = False

    @property
    def models(self) -> dict[str, str]:
        """The digest of the model, for recipes."""
        return {"encoder": self.used.digest}

    def query_stage(self, max_bytes: int) -> QueryStage:
        """The stage that embeds queries."""
        return QueryStage(self.engine, self.path, self.models, self.used.query_prefix, max_bytes=max_bytes)

    def embed_queries(self, texts: list[str]) -> np.ndarray:
        """Return the vectors of queries in this process, at length 1, float32 [n, dim]."""
        prefixed = pa.array([self.used.query_prefix + text for text in texts], pa.string())
        return normalised(encode_all(open_engine(self.engine, self.path or None), prefixed).vectors)


def configured_encoder(config: EmbedProductsConfig, root: str) -> SearchEncoder:
    """Find the encoder that embed_products is configured with; it becomes a model of the registry.

    Raises:
        ModelError: It is missing or damaged.
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
    """Return a model of the registry as the encoder of embed_products.

    Raises:
        ModelError: Its `encoder.json` is wrong.
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
    """Find the encoder of an index.

    Raises:
        UserError: It is no longer in the warehouse, or damaged.
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
