"""The torch image encoder: runs a vision model and the normalisation of its pixels in torch, on any device.

It is the reference that the other backends are compared with, and the OpenVINO graph is exported from its model.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import nn

from shopbatch.core.errors import one_line
from shopbatch.engines.base import Encoded, EngineError
from shopbatch.engines.images.base import batches, counted, decoded
from shopbatch.engines.images.configs import ImageTorchConfig
from shopbatch.models.image_spec import ImageSpec
from shopbatch.models.loading import load_vision


class Tower(nn.Module):
    """A torch module that normalises pixels and turns them into vectors.

    The vector of a model for pictures and texts, such as CLIP, is the projection that can be compared with text
    vectors. The vector of any other vision model of transformers is the state of its first token or, if its states are
    a feature map, their mean over the picture. EfficientNet-Lite0 returns its own vector.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, model: Any, spec: ImageSpec, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.model, self.dtype = model, dtype
        self.projected = hasattr(model, "get_image_features")
        self.plain = spec.architecture != "transformers"
        self.register_buffer("mean", torch.tensor(spec.mean, dtype=torch.float32) * 255)
        self.register_buffer("std", torch.tensor(spec.std, dtype=torch.float32) * 255)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the vectors, float32 [n, dim], of pixels, uint8 [n, size, size, 3]."""
        x = ((pixels.to(torch.float32) - self.mean) / self.std).permute(0, 3, 1, 2).to(self.dtype)
        if self.plain:
            return torch.as_tensor(self.model(x)).to(torch.float32)
        if self.projected:
            out = self.model.get_image_features(pixel_values=x)
            return torch.as_tensor(out if isinstance(out, torch.Tensor) else out.pooler_output).to(torch.float32)
        states = torch.as_tensor(self.model(pixel_values=x).last_hidden_state).to(torch.float32)
        return states.mean((2, 3)) if states.dim() == 4 else states[:, 0]


def load_tower(folder: Path, spec: ImageSpec, dtype: str = "float32") -> Tower:
    """Load the image encoder of a folder in evaluation mode.

    Args:
        folder: The model folder on this machine.
        spec: The architecture and the normalisation of the pixels.
        dtype: Number format of the weights, as torch names it.

    Raises:
        ModelError: The weights are missing, not safetensors, or do not fit the configuration.
    """
    if spec.architecture == "efficientnet-lite0":
        from shopbatch.engines.images.lite0 import load_lite0

        return Tower(load_lite0(folder, dtype), spec, getattr(torch, dtype)).eval()
    return Tower(load_vision(folder, dtype), spec, getattr(torch, dtype)).eval()


class TorchImageEncoder:
    """An image encoder that runs in torch, as `ImageTorchConfig` describes it."""

    def __init__(self, config: ImageTorchConfig, folder: Path, spec: ImageSpec) -> None:
        self.spec, self.batch, self.device = spec, config.batch, torch.device(config.device)
        self.tower = load_tower(folder, spec, config.dtype).to(self.device)
        self.dim = int(self._vectors(np.zeros((1, spec.size, spec.size, 3), np.uint8)).shape[1])

    def plan(self, pictures: pa.Array, /) -> list[np.ndarray]:
        """Return the row numbers of each batch: consecutive rows, at most `config.batch` of them."""
        return batches(len(pictures), self.batch)

    def encode(self, pictures: pa.Array, /) -> Encoded:
        """Compute the vectors of one batch of pictures in torch (see `ImageEncoder.encode`)."""
        if not len(pictures):
            return counted(np.empty((0, self.dim), np.float32))
        return counted(self._vectors(decoded(pictures, self.spec)))

    def _vectors(self, pixels: np.ndarray) -> np.ndarray:
        """Return the vectors, float32 [n, dim], of pixels, uint8 [n, size, size, 3]; EngineError if torch fails."""
        try:
            with torch.inference_mode():
                out: np.ndarray = self.tower(torch.from_numpy(pixels).to(self.device)).cpu().numpy()
                return out
        except RuntimeError as error:  # includes a device that is out of memory
            raise EngineError(f"torch: {one_line(error, 300)}") from error
