"""The stage of `embed_images`: computes vectors from the stored picture files."""

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

VERSION = 1  # of this stage's code that turns a picture into a vector
_OUTPUTS = pa.schema([("vector", pa.binary())])


@dataclass(frozen=True)
class ImageStage(BaseStage):
    """The inference stage of `embed_images`.

    Attributes:
        engine: Settings of the engine that computes the vectors.
        encoder: Folder of the encoder; "" for the fake engine.
        models: Digests of the models by role, which are part of the recipe.
    """

    engine: ImageEngineConfig
    encoder: str
    models: Mapping[str, str]
    content: tuple[str, ...] = ("picture",)
    passthrough_columns: tuple[str, ...] = ("product_id", "sha256")
    outputs: pa.Schema = field(default_factory=lambda: _OUTPUTS)

    @property
    def stateless(self) -> bool:
        """Whether the engine loads nothing, so that the stage can run in tasks."""
        return bool(getattr(self.engine, "light", False))

    @property
    def checks(self) -> int:
        """Version of the checks on the vectors: always 1, because they use no word lists that could change."""
        return 1

    def recipe(self) -> Mapping[str, Any]:
        """Return what a vector depends on besides the picture: engine, model and code version."""
        return {
            "stage": "images",
            "version": VERSION,
            "engine": self.engine.identity(),
            "models": dict(self.models),
        }

    def check(self, content: pa.Table) -> pa.Array:
        """Return "empty" for rows without a picture, null for all others."""
        picture = content["picture"].combine_chunks()
        blank = pc.fill_null(pc.equal(pc.binary_length(picture), 0), True)
        return pc.if_else(blank, "empty", pa.scalar(None, pa.string()))

    def open(self) -> Embedder:
        """Load the encoder and return the scorer of a worker."""
        return Embedder(open_image_engine(self.engine, self.encoder or None))

    def judge(self, raw: pa.Table) -> pa.Array:
        """Return "invalid_output" for vectors that are not finite or have length 0, null for all others."""
        bad = pa.array(without_meaning(raw["vector"]))
        return pc.if_else(bad, "invalid_output", pa.scalar(None, pa.string()))

    def publish(self, passed: pa.Table, raw: pa.Table) -> dict[str, pa.Array]:
        """Return the vectors in 8 bits: the columns vector (int8 codes) and scale (factor of a row's codes)."""
        codes, scales = in_eight_bits(raw["vector"])
        return {"vector": codes, "scale": scales}


class Embedder:
    """Embeds pictures inside a worker, with the encoder loaded; the vectors have length 1."""

    def __init__(self, encoder: ImageEncoder) -> None:
        self.encoder = encoder

    def plan(self, content: pa.Table) -> list[np.ndarray]:
        """Group the rows into calls of the encoder; return the row numbers of each call."""
        return self.encoder.plan(content["picture"].combine_chunks())

    def run(self, content: pa.Table, attempts: np.ndarray) -> pa.Table:
        """Return the vector (float16 bytes) and the `tokens` that the encoder counts for each picture."""
        encoded = self.encoder.encode(content["picture"].combine_chunks())
        vectors = normalised(encoded.vectors).astype(np.float16)
        return pa.table({"vector": column_of(vectors), "tokens": pa.array(encoded.tokens)})
