"""What every image encoder promises, the same asserts for each: the fake one, EfficientNet-Lite0, and a tiny CLIP."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from shopbatch.core.errors import UserError
from shopbatch.engines.base import EngineError
from shopbatch.engines.configs import FakeConfig
from shopbatch.engines.images.base import ImageEncoder, encode_all
from shopbatch.engines.images.configs import ImageEngineConfig, ImageOpenVinoConfig, ImageTorchConfig
from shopbatch.engines.images.factory import open_image_engine, open_text_side, prepare_images
from shopbatch.models import efficientnet_lite
from shopbatch.models.folder import ModelError
from shopbatch.models.registry import base
from shopbatch.pictures.reading import read_picture
from tests.engines import tiny, tiny_clip
from tests.pictures.drawn import photo, saved

ENGINES: dict[str, tuple[str, ImageEngineConfig]] = {
    "fake": ("", FakeConfig(dim=12)),
    "torch lite0": ("lite0", ImageTorchConfig(size=64, batch=3)),
    "openvino lite0": ("lite0", ImageOpenVinoConfig(size=64, precision="fp32", batch=3)),
    "torch clip": ("clip", ImageTorchConfig(batch=4)),
    "openvino clip": ("clip", ImageOpenVinoConfig(precision="fp32", batch=4)),
}
SHAPES = [(64, 64), (96, 64), (40, 90), (200, 200), (28, 28)]
KEPT = [read_picture(saved(photo(n, *SHAPES[n % 5]), "PNG")).data for n in range(7)]
KEPT.append(KEPT[2])


@pytest.fixture(scope="session")
def image_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    root = tmp_path_factory.mktemp("images")
    return {
        "": "",
        "lite0": base(f"{root}/_models", efficientnet_lite.NAME).path,
        "clip": str(tiny_clip.build(root / "clip")),
        "texts": str(tiny.build(root / "texts")),
    }


@pytest.fixture(scope="module", params=ENGINES)
def encoder(request: pytest.FixtureRequest, image_models: dict[str, str]) -> ImageEncoder:
    model, config = ENGINES[request.param]
    prepare_images(config, image_models[model] or None)
    return open_image_engine(config, image_models[model] or None)


def pictures(values: list[bytes] = KEPT) -> pa.Array:
    return pa.array(values, pa.binary())


def test_plan_names_every_row_once(encoder: ImageEncoder) -> None:
    plan = encoder.plan(pictures())
    assert sorted(np.concatenate(plan).tolist()) == list(range(len(KEPT)))
    assert encoder.plan(pictures([])) == []


def test_a_row_has_the_same_vector_alone_in_any_batch_and_in_a_slice(encoder: ImageEncoder) -> None:
    together = encode_all(encoder, pictures())
    assert together.shape == (len(KEPT), encoder.dim) and together.dtype == np.float32
    for row, picture in enumerate(KEPT):
        alone = encoder.encode(pictures([picture]))
        np.testing.assert_allclose(alone.vectors[0], together[row], atol=2e-4)
        assert alone.tokens.tolist() == [1] and alone.tokens.dtype == np.int32
    np.testing.assert_allclose(encode_all(encoder, pictures().slice(3, 2)), together[3:5], atol=2e-4)
    assert encoder.encode(pictures([])).vectors.shape == (0, encoder.dim)


def test_different_pictures_have_different_vectors_and_equal_ones_equal(encoder: ImageEncoder) -> None:
    vectors = encode_all(encoder, pictures())
    assert np.isfinite(vectors).all()
    np.testing.assert_allclose(vectors[2], vectors[7], atol=2e-4)
    distances = np.abs(vectors[:7, None] - vectors[None, :7]).max(2) + np.eye(7)
    assert distances.min() > 1e-3


@pytest.mark.parametrize("name", [n for n in ENGINES if n != "fake"])
def test_a_damaged_picture_is_the_engines_error(name: str, image_models: dict[str, str]) -> None:
    model, config = ENGINES[name]
    encoder = open_image_engine(config, image_models[model])
    for bad in (b"", b"nothing", KEPT[3][: len(KEPT[3]) // 2]):
        with pytest.raises(EngineError, match="cannot be decoded"):
            encoder.encode(pictures([KEPT[0], bad]))
    assert len(encoder.encode(pictures([KEPT[0]])).vectors) == 1, "it goes on"


@pytest.mark.parametrize("model", ["lite0", "clip"])
def test_the_backends_agree(model: str, image_models: dict[str, str]) -> None:
    size = 64 if model == "lite0" else None
    configs = (
        ImageTorchConfig(size=size),
        ImageOpenVinoConfig(size=size, precision="fp32"),
        ImageOpenVinoConfig(size=size),
    )
    exact, same, rough = (encode_all(open_image_engine(c, image_models[model]), pictures()) for c in configs)
    assert np.abs(exact - same).max() < 1e-3 * np.abs(exact).max()
    cosine = (exact * rough).sum(1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(rough, axis=1)
    assert cosine.min() > 0.98


def test_words_and_pictures_are_compared_in_one_space(image_models: dict[str, str]) -> None:
    side = open_text_side(image_models["clip"])
    vectors = side.encode(["a red shoe", "蓝色的包", "very long " * 30])
    assert vectors.shape == (3, tiny_clip.DIM) and np.isfinite(vectors).all()
    np.testing.assert_allclose(side.encode(["a red shoe"])[0], vectors[0], atol=1e-4)
    assert np.abs(vectors[0] - vectors[1]).max() > 1e-3
    assert open_image_engine(ImageTorchConfig(), image_models["clip"]).dim == tiny_clip.DIM
    for model in ("lite0", "texts"):
        with pytest.raises(UserError, match="reads pictures only"):
            open_text_side(image_models[model])


def test_what_is_no_image_encoder_is_refused(image_models: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="reads pictures of 32 pixels only"):
        prepare_images(ImageOpenVinoConfig(size=64), image_models["clip"])
    with pytest.raises(ModelError, match="is no image encoder"):
        open_image_engine(ImageTorchConfig(), image_models["texts"])
    with pytest.raises(UserError, match="needs a model"):
        open_image_engine(ImageTorchConfig(), None)
    (tmp_path / "image_encoder.json").write_text('{"architecture": "efficientnet-lite0", "std": [0, 1, 1]}', "utf-8")
    with pytest.raises(ModelError, match="std"):
        open_image_engine(ImageTorchConfig(), str(tmp_path))


def test_recipes_differ_by_what_changes_a_result_and_by_nothing_else() -> None:
    base_config = ImageOpenVinoConfig()
    assert base_config.model_copy(update={"threads": 7, "batch": 1}).identity() == base_config.identity()
    assert base_config.model_copy(update={"size": 96}).identity() != base_config.identity()
    assert base_config.model_copy(update={"precision": "fp32"}).identity() != base_config.identity()
    assert ImageTorchConfig(dtype="bfloat16").identity() != ImageTorchConfig().identity()
    assert all(config.identity()["kind"] == config.kind for _, config in ENGINES.values())
