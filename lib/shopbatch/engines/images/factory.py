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
        config: Settings of the image encoder.
        model_dir: Path or URI of the model folder, as `models.registry.resolve` returns it. The fake engine needs none.

    Raises:
        UserError: No model is named, or the model does not accept pictures of the configured size.
        ModelError: The folder is not an image encoder, or weights are missing.
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
    """Check the picture size and export the OpenVINO graph on the driver, before the workers start.

    Otherwise each worker would export the graph itself.
    """
    if isinstance(config, FakeConfig):
        return
    folder = _folder(config, model_dir)
    spec = sized(config, folder)
    if isinstance(config, ImageOpenVinoConfig):
        from shopbatch.engines.images.openvino_images import exported_images

        exported_images(folder, spec)


def open_text_side(model_dir: str) -> TextSide:
    """Load the text encoder of a model for pictures and texts, such as CLIP, in this process.

    Args:
        model_dir: Path or URI of the model folder.

    Raises:
        UserError: The model has no text encoder.
        ModelError: The model cannot be loaded.
    """
    from shopbatch.engines.images.text_side import ClipTexts

    return ClipTexts(local(model_dir))


def sized(config: ImageOpenVinoConfig | ImageTorchConfig, folder: Path) -> ImageSpec:
    """Return the model's image settings with the configured picture size in place of its own.

    Raises:
        UserError: The model accepts only its own size, and another size is configured.
    """
    spec = ImageSpec.load(folder)
    if config.size is None or config.size == spec.size:
        return spec
    if not spec.any_size:
        raise UserError(
            f"engine.size={config.size}: this model reads pictures of {spec.size} pixels only; leave it out"
        )
    return spec.model_copy(update={"size": config.size})


def _folder(config: ImageOpenVinoConfig | ImageTorchConfig, model_dir: str | None) -> Path:
    """Return the local folder of a model, fetched if it is elsewhere; raise UserError if no model is named."""
    if not model_dir:
        raise UserError(f"engine {config.kind} needs a model")
    return local(model_dir)
