"""Opens the image encoder that a configuration describes. A backend is imported only when it is opened."""

from __future__ import annotations

from pathlib import Path

from shopbatch.core.errors import UserError
from shopbatch.engines.configs import FakeConfig
from shopbatch.engines.images.base import ImageEncoder, TextSide
from shopbatch.engines.images.configs import ImageEngineConfig, ImageOpenVinoConfig, ImageTorchConfig
from shopbatch.models.folder import local
from shopbatch.models.image_spec import ImageSpec


def open_image_engine(config: ImageEngineConfig, model_dir: str | None) -> ImageEncoder:
    """Open the image encoder that `config` describes, with its model loaded.

    Args:
        config: The encoder.
        model_dir: A model folder as `models.registry.resolve` gives it; the fake engine needs none.

    Raises:
        UserError: No model is named, or it does not read pictures of this size.
        ModelError: The folder is no image encoder, or weights are missing.
    """
    if isinstance(config, FakeConfig):
        from shopbatch.engines.images.fake_images import FakeImageEncoder

        return FakeImageEncoder(config)
    folder = _folder(config, model_dir)
    spec = sized(config, folder)
    if isinstance(config, ImageTorchConfig):
        from shopbatch.engines.images.torch_images import TorchImageEncoder

        return TorchImageEncoder(config, folder, spec)
    from shopbatch.engines.images.openvino_images import OpenVinoImageEncoder

    return OpenVinoImageEncoder(config, folder, spec)


def prepare_images(config: ImageEngineConfig, model_dir: str | None) -> None:
    """Check the size and export the graph before the workers start, because otherwise each of them would export it."""
    if isinstance(config, FakeConfig):
        return
    folder = _folder(config, model_dir)
    spec = sized(config, folder)
    if isinstance(config, ImageOpenVinoConfig):
        from shopbatch.engines.images.openvino_images import exported_images

        exported_images(folder, spec)


def open_text_side(model_dir: str) -> TextSide:
    """Open the text side of a model such as CLIP, in this process.

    Raises:
        UserError: The model has none.
        ModelError: It cannot be loaded.
    """
    from shopbatch.engines.images.text_side import ClipTexts

    return ClipTexts(local(model_dir))


def sized(config: ImageOpenVinoConfig | ImageTorchConfig, folder: Path) -> ImageSpec:
    """Return how the model reads pictures, of the size that is configured. UserError if it reads no such size."""
    spec = ImageSpec.load(folder)
    if config.size is None or config.size == spec.size:
        return spec
    if not spec.any_size:
        raise UserError(
            f"engine.size={config.size}: this model reads pictures of {spec.size} pixels only; leave it out"
        )
    return spec.model_copy(update={"size": config.size})


def _folder(config: ImageOpenVinoConfig | ImageTorchConfig, model_dir: str | None) -> Path:
    if not model_dir:
        raise UserError(f"engine {config.kind} needs a model")
    return local(model_dir)
