"""The configurations of image encoders, by `kind`. Importing this module loads no backend."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from shopbatch.core.config import Strict
from shopbatch.engines.configs import FakeConfig


class ImageOpenVinoConfig(Strict):
    """Encodes pictures with any vision model of transformers, or EfficientNet-Lite0, on the CPU of this machine."""

    kind: Literal["openvino"] = "openvino"
    """The backend: OpenVINO."""
    precision: Literal["bf16", "fp32"] = "bf16"
    """Number format of the computation. A CPU without bf16 computes in fp32 instead, slower and no less exactly."""
    size: int | None = Field(default=None, ge=32, le=1024)
    """Pixels a side that the model reads. null: what it was trained with. Fewer are faster: 96 need a fifth of the time
    of 224, and show less. Models of transformers read one size only."""
    batch: int = Field(default=32, ge=1)
    """Pictures of one call."""
    threads: int = Field(default=1, ge=1)
    """CPU threads of one worker."""

    def identity(self) -> dict[str, Any]:
        """Return the fields that can change a result, to be part of the recipe."""
        return {"kind": self.kind, "precision": self.precision, "size": self.size}


class ImageTorchConfig(Strict):
    """Encodes pictures with the same models on any device. The other backends are compared with this one."""

    kind: Literal["torch"] = "torch"
    """The backend: torch."""
    device: str = "cpu"
    """The device as torch names it: cpu, cuda, cuda:1."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Number format of the weights and of the computation."""
    size: int | None = Field(default=None, ge=32, le=1024)
    """Pixels a side that the model reads. null: what it was trained with. Models of transformers read one size only."""
    batch: int = Field(default=32, ge=1)
    """Pictures of one call."""

    def identity(self) -> dict[str, Any]:
        """Return the fields that can change a result, to be part of the recipe."""
        return {"kind": self.kind, "dtype": self.dtype, "size": self.size}


ImageEngineConfig = Annotated[ImageOpenVinoConfig | ImageTorchConfig | FakeConfig, Field(discriminator="kind")]
