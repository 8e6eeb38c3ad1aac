"""Who answers. The protocol of an encoder, the configurations by `kind`, and the door that opens one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, Protocol

import numpy as np
import pyarrow as pa
from pydantic import Field

from shopbatch.config import Strict


class EngineError(RuntimeError):
    """The backend failed on this batch. The caller tries its rows one by one."""


@dataclass(frozen=True)
class Encoded:
    """vectors: float32 [n, dim]; tokens: int32 [n], tokens read for each text."""

    vectors: np.ndarray
    tokens: np.ndarray


class Encoder(Protocol):
    """Texts in, one vector each out."""

    dim: int

    def plan(self, texts: pa.Array) -> list[np.ndarray]:
        """Row numbers that go together (like lengths, bounded tokens); every row exactly once."""

    def encode(self, texts: pa.Array) -> Encoded:
        """texts: strings without nulls, in any order. Raises EngineError."""


class FakeConfig(Strict):
    """Deterministic, no weights. The *_on texts are substrings: a row that holds one makes the engine ...

    fail_on: report a failure. raise_on: raise something unforeseen. exit_on: end its process. hang_on: never answer.
    slow_ms: milliseconds a call. light: opening costs nothing, so that it runs in tasks; false: in actors.
    """

    kind: Literal["fake"] = "fake"
    dim: int = 8
    slow_ms: float = 0.0
    fail_on: str | None = None
    raise_on: str | None = None
    exit_on: str | None = None
    hang_on: str | None = None
    light: bool = True

    def identity(self) -> dict[str, Any]:
        return {"kind": self.kind, "dim": self.dim}


EngineConfig = Annotated[FakeConfig, Field(discriminator="kind")]


def open_engine(config: EngineConfig, model_dir: str | None) -> Encoder:
    from shopbatch.engines.fake import FakeEncoder

    return FakeEncoder(config)
