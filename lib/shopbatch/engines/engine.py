"""Who answers. The protocol of an encoder, the configurations by `kind`, and the door that opens one.

Light to import: a backend is loaded when it is opened.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, Protocol

import numpy as np
import pyarrow as pa
from pydantic import Field

from shopbatch.config import Strict
from shopbatch.errors import UserError


class EngineError(RuntimeError):
    """The backend failed on this batch. The caller tries its rows one by one."""


@dataclass(frozen=True)
class Encoded:
    """vectors: float32 [n, dim]; tokens: int32 [n], tokens read for each text."""

    vectors: np.ndarray
    tokens: np.ndarray


class Encoder(Protocol):
    """Texts in, one vector each out. A vector does not depend on the other texts of its batch (but for rounding)."""

    dim: int

    def plan(self, texts: pa.Array) -> list[np.ndarray]:
        """Row numbers (int64) that go together (like lengths, bounded tokens); every row exactly once."""

    def encode(self, texts: pa.Array) -> Encoded:
        """texts: strings without nulls, in any order. Raises EngineError."""


class OpenVinoConfig(Strict):
    """Any transformers encoder, on this machine's CPU.

    precision: bf16 needs a CPU that has it (others compute in fp32, slower and no worse).
    max_tokens: a longer text is cut. batch_tokens: rows x longest row of one call. threads: of one worker.
    """

    kind: Literal["openvino"] = "openvino"
    precision: Literal["bf16", "fp32"] = "bf16"
    max_tokens: int = Field(default=256, ge=2)
    batch_tokens: int = Field(default=2048, ge=1)
    threads: int = Field(default=1, ge=1)

    def identity(self) -> dict[str, Any]:
        """The fields that can change a result."""
        return {"kind": self.kind, "precision": self.precision, "max_tokens": self.max_tokens}


class TorchConfig(Strict):
    """Any transformers encoder, on any device: the reference that the other backends are compared with.

    device: as torch names it (cpu, cuda, cuda:1). max_tokens, batch_tokens: see OpenVinoConfig.
    """

    kind: Literal["torch"] = "torch"
    device: str = "cpu"
    dtype: Literal["float32", "bfloat16"] = "float32"
    max_tokens: int = Field(default=256, ge=2)
    batch_tokens: int = Field(default=2048, ge=1)

    def identity(self) -> dict[str, Any]:
        """The fields that can change a result."""
        return {"kind": self.kind, "dtype": self.dtype, "max_tokens": self.max_tokens}


class Faults(Strict):
    """What a fake backend does wrong. The *_on texts are substrings: a row that holds one makes the engine ...

    fail_on: report a failure. raise_on: raise something unforeseen. exit_on: end its process. hang_on: never answer.
    slow_ms: milliseconds a call. light: opening costs nothing, so that it runs in tasks; false: in actors.
    """

    slow_ms: float = 0.0
    fail_on: str | None = None
    raise_on: str | None = None
    exit_on: str | None = None
    hang_on: str | None = None
    light: bool = True


class FakeConfig(Faults):
    """Deterministic, no weights. dim: of its vectors."""

    kind: Literal["fake"] = "fake"
    dim: int = Field(default=8, ge=1)

    def identity(self) -> dict[str, Any]:
        """The fields that can change a result: none of the faults, which a later run is to recover from."""
        return {"kind": self.kind, "dim": self.dim}


EngineConfig = Annotated[OpenVinoConfig | TorchConfig | FakeConfig, Field(discriminator="kind")]


def open_engine(config: EngineConfig, model_dir: str | None) -> Encoder:
    """The engine that `config` describes, its model loaded.

    model_dir: a model folder as `models.registry.resolve` gives it; the fake engine needs none.
    Raises UserError (max_tokens beyond the model's), ModelError (not a model folder, weights missing).
    """
    if isinstance(config, FakeConfig):
        from shopbatch.engines.fake import FakeEncoder

        return FakeEncoder(config)
    if model_dir is None:
        raise UserError(f"engine {config.kind} needs a model")
    from shopbatch.models.folder import local

    folder = local(model_dir)
    if isinstance(config, TorchConfig):
        from shopbatch.engines.torch import TorchEncoder

        return TorchEncoder(config, folder)
    from shopbatch.engines.openvino import OpenVinoEncoder

    return OpenVinoEncoder(config, folder)


def prepare(config: EngineConfig, model_dir: str | None) -> None:
    """Make, once and before the workers start, what each of them would else make when it opens the engine."""
    if isinstance(config, OpenVinoConfig) and model_dir is not None:
        from shopbatch.engines.openvino import exported
        from shopbatch.models.folder import local

        exported(local(model_dir))


def encode_all(encoder: Encoder, texts: pa.Array) -> Encoded:
    """Encode any number of texts in planned batches; the vectors are in the texts' order."""
    vectors = np.empty((len(texts), encoder.dim), np.float32)
    tokens = np.empty(len(texts), np.int32)
    for rows in encoder.plan(texts):
        encoded = encoder.encode(texts.take(pa.array(rows)))
        vectors[rows], tokens[rows] = encoded.vectors, encoded.tokens
    return Encoded(vectors, tokens)
