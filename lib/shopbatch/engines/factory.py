"""Opens the engine that a configuration describes. Light to import: a backend is loaded when it is opened."""

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


def open_engine(config: EngineConfig, model_dir: str | None) -> Encoder:
    """The engine that `config` describes, its model loaded.

    model_dir: a model folder as `models.registry.resolve` gives it; the fake engine needs none.
    Raises UserError (max_tokens beyond the model's), ModelError (not a model folder, weights missing).
    """
    if isinstance(config, FakeConfig):
        from shopbatch.engines.encoders.fake_encoder import FakeEncoder

        return FakeEncoder(config)
    if model_dir is None:
        raise UserError(f"engine {config.kind} needs a model")
    from shopbatch.models.folder import local

    folder = local(model_dir)
    if isinstance(config, TorchConfig):
        from shopbatch.engines.encoders.torch_encoder import TorchEncoder

        return TorchEncoder(config, folder)
    from shopbatch.engines.encoders.openvino_encoder import OpenVinoEncoder

    return OpenVinoEncoder(config, folder)


def prepare(config: EngineConfig, model_dir: str | None) -> None:
    """Make, once and before the workers start, what each of them would else make when it opens the engine."""
    if isinstance(config, OpenVinoConfig) and model_dir is not None:
        from shopbatch.engines.encoders.openvino_encoder import exported
        from shopbatch.models.folder import local

        exported(local(model_dir))


def open_generator(config: GenerateConfig, model_dir: str | None) -> Generator:
    """The generator that `config` describes, its model loaded.

    model_dir: a model folder as `models.registry.resolve` gives it; those of WITHOUT_MODEL need none.
    Raises UserError (no model is named), ModelError (not a model folder, weights missing).
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
    """Make, once and before the workers start, what each of them would else make when it opens the generator.

    Raises as `open_generator` does, where that can be told without loading weights.
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
    from shopbatch.models.folder import local

    return local(model_dir)
