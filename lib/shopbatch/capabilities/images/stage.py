"""Kept pictures -> vectors: the stage of embed_images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.engines.images.base import ImageEncoder
from shopbatch.engines.images.configs import ImageEngineConfig
from shopbatch.engines.images.factory import open_image_engine
from shopbatch.inference.stage import BaseStage
from shopbatch.vectors.columns import column_of, in_eight_bits, without_meaning
from shopbatch.vectors.dense import normalised

VERSION = 1  # of what turns a picture into a vector here
_OUTPUTS = pa.schema([("vector", pa.binary())])


@dataclass(frozen=True)
class ImageStage(BaseStage):
    """The stage of `embed_images`. encoder: model folder ("" for the fake engine). models: digests, of the recipe."""

    engine: ImageEngineConfig
    encoder: str
    models: Mapping[str, str]
    content: tuple[str, ...] = ("picture",)
    passthrough_columns: tuple[str, ...] = ("product_id", "sha256")
    outputs: pa.Schema = field(default_factory=lambda: _OUTPUTS)

    @property
    def stateless(self) -> bool:
        return bool(getattr(self.engine, "light", False))

    @property
    def checks(self) -> int:
        """The first version: a picture holds no words."""
        return 1

    def recipe(self) -> Mapping[str, Any]:
        return {
            "stage": "images",
            "version": VERSION,
            "engine": self.engine.identity(),
            "models": dict(self.models),
        }

    def check(self, content: pa.Table) -> pa.Array:
        """Return empty where there is no picture."""
        picture = content["picture"].combine_chunks()
        blank = pc.fill_null(pc.equal(pc.binary_length(picture), 0), True)
        return pc.if_else(blank, "empty", pa.scalar(None, pa.string()))

    def open(self) -> Embedder:
        return Embedder(open_image_engine(self.engine, self.encoder or None))

    def judge(self, raw: pa.Table) -> pa.Array:
        """Return invalid_output for a vector that is not finite or has no length."""
        bad = pa.array(without_meaning(raw["vector"]))
        return pc.if_else(bad, "invalid_output", pa.scalar(None, pa.string()))

    def publish(self, passed: pa.Table, raw: pa.Table) -> dict[str, pa.Array]:
        codes, scales = in_eight_bits(raw["vector"])
        return {"vector": codes, "scale": scales}


class Embedder:
    """A stage inside a worker. Its vectors have length 1."""

    def __init__(self, encoder: ImageEncoder) -> None:
        self.encoder = encoder

    def plan(self, content: pa.Table) -> list[np.ndarray]:
        return self.encoder.plan(content["picture"].combine_chunks())

    def run(self, content: pa.Table, attempts: np.ndarray) -> pa.Table:
        encoded = self.encoder.encode(content["picture"].combine_chunks())
        vectors = normalised(encoded.vectors).astype(np.float16)
        return pa.table({"vector": column_of(vectors), "tokens": pa.array(encoded.tokens)})
