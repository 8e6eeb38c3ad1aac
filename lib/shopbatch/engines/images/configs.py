"""Configuration classes of image encoders; the field `kind` selects the backend.

Importing this module loads no backend.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from shopbatch.core.config import Strict
from shopbatch.engines.configs import FakeConfig


class ImageOpenVinoConfig(Strict):
    """Settings of the OpenVINO image encoder: a transformers vision model or EfficientNet-Lite0, on the CPU."""

    kind: Literal["openvino"] = "openvino"
    """The backend: OpenVINO."""
    precision: Literal["bf16", "fp32"] = "bf16"
    """Number format of the computation. A CPU without bf16 support computes in fp32 instead: slower, but no less
    exact."""
    size: int | None = Field(default=None, ge=32, le=1024)
    """Width and height in pixels to which pictures are resized (null: the size that the model was trained with).
    Smaller is faster but shows less detail: 96 takes a fifth of the time of 224. Models of transformers accept only
    their own size."""
    batch: int = Field(default=32, ge=1)
    """Number of pictures in one call. Lower it to save memory."""
    threads: int = Field(default=1, ge=1)
    """Number of CPU threads of each worker."""

    def identity(self) -> dict[str, Any]:
        """Return the settings that can change a result, which become part of the recipe (the key of memo rows)."""
        return {"kind": self.kind, "precision": self.precision, "size": self.size}


class ImageTorchConfig(Strict):
    """Settings of the torch image encoder: a transformers vision model or EfficientNet-Lite0, on any device.

    The other backends are compared with this one.
    """

    kind: Literal["torch"] = "torch"
    """The backend: torch."""
    device: str = "cpu"
    """The device, as torch names it: cpu, cuda, cuda:1."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Number format of the weights and of the computation."""
    size: int | None = Field(default=None, ge=32, le=1024)
    """Width and height in pixels to which pictures are resized (null: the size that the model was trained with).
    Smaller is faster but shows less detail. Models of transformers accept only their own size."""
    batch: int = Field(default=32, ge=1)
    """Number of pictures in one call. Lower it to save memory."""

    def identity(self) -> dict[str, Any]:
        """Return the settings that can change a result, which become part of the recipe (the key of memo rows)."""
        return {"kind": self.kind, "dtype": self.dtype, "size": self.size}


ImageEngineConfig = Annotated[ImageOpenVinoConfig | ImageTorchConfig | FakeConfig, Field(discriminator="kind")]
