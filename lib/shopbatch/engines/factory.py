"""Opens the engine that a configuration describes. A backend is imported only when it is opened."""

from __future__ import annotations

from pathlib import Path

from shopbatch.core.errors import UserError
from shopbatch.engines.base import Encoder, Generator
from shopbatch.engines.configs import (
    EngineConfig,
    FakeConfig,
    FakeGenerateConfig,
    GenerateConfig,
    HttpGenerateConfig,
    OpenVinoConfig,
    OpenVinoGenerateConfig,
    TorchConfig,
    TorchGenerateConfig,
    VllmGenerateConfig,
)
from shopbatch.models.folder import local


def open_engine(config: EngineConfig, model_dir: str | None) -> Encoder:
    """Open the encoder that `config` describes, with its model loaded.

    Args:
        config: The encoder.
        model_dir: A model folder as `models.registry.resolve` gives it; the fake engine needs none.

    Raises:
        UserError: No model is named, or max_tokens is more than the model reads.
        ModelError: The folder is not a model folder, or weights are missing.
    """
    if isinstance(config, FakeConfig):
        from shopbatch.engines.encoders.fake_encoder import FakeEncoder

        return FakeEncoder(config)
    folder = _folder(config.kind, model_dir)
    if isinstance(config, TorchConfig):
        from shopbatch.engines.encoders.torch_encoder import TorchEncoder

        return TorchEncoder(config, folder)
    from shopbatch.engines.encoders.openvino_encoder import OpenVinoEncoder

    return OpenVinoEncoder(config, folder)


def prepare(config: EngineConfig, model_dir: str | None) -> None:
    """Export the encoder's graph before the workers start, because otherwise each of them would export it."""
    if isinstance(config, OpenVinoConfig) and model_dir is not None:
        from shopbatch.engines.encoders.openvino_encoder import exported_encoder

        exported_encoder(local(model_dir))


def open_generator(config: GenerateConfig, model_dir: str | None) -> Generator:
    """Open the generator that `config` describes, with its model loaded.

    Args:
        config: The generator.
        model_dir: A model folder as `models.registry.resolve` gives it; the kinds in WITHOUT_MODEL need none.

    Raises:
        UserError: No model is named.
        ModelError: The folder is not a model folder, or weights are missing.
    """
    if isinstance(config, FakeGenerateConfig):
        from shopbatch.engines.generators.fake_generator import FakeGenerator

        return FakeGenerator(config)
    if isinstance(config, HttpGenerateConfig):
        from shopbatch.engines.generators.http_generator import HttpGenerator

        return HttpGenerator(config)
    folder = _folder(config.kind, model_dir)
    if isinstance(config, TorchGenerateConfig):
        from shopbatch.engines.generators.torch_generator import TorchGenerator

        return TorchGenerator(config, folder)
    if isinstance(config, VllmGenerateConfig):
        from shopbatch.engines.generators.vllm_generator import VllmGenerator

        return VllmGenerator(config, folder)
    from shopbatch.engines.generators.openvino_generator import OpenVinoGenerator

    return OpenVinoGenerator(config, folder)


def prepare_generator(config: GenerateConfig, model_dir: str | None) -> None:
    """Check the configuration and export the model's graph before the workers start, instead of once in each worker.

    Raises:
        UserError, ModelError: As `open_generator`, as far as this shows without loading weights.
    """
    if isinstance(config, HttpGenerateConfig):
        from shopbatch.engines.generators.http_generator import HttpGenerator

        HttpGenerator(config)
    if isinstance(config, OpenVinoGenerateConfig):
        from shopbatch.engines.generators.openvino_generator import exported_causal

        exported_causal(_folder(config.kind, model_dir), config.precision)


def _folder(kind: str, model_dir: str | None) -> Path:
    if model_dir is None:
        raise UserError(f"engine {kind} needs a model")
    return local(model_dir)
