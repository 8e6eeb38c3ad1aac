"""Opens the engine that a configuration describes. A backend is imported only when it is opened."""

from __future__ import annotations

from pathlib import Path

from shopbatch.core.errors import UserError
from shopbatch.engines.base import Encoder, Generator, Translator
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
from shopbatch.engines.translator_configs import ApertiumConfig, CTranslate2Config
from shopbatch.models.folder import local


def open_engine(config: EngineConfig, model_dir: str | None, windows: int = 1) -> Encoder:
    """Open the encoder that `config` describes, with its model loaded.

    Args:
        config: The encoder.
        model_dir: A model folder as `models.registry.resolve` gives it; the fake engine needs none.
        windows: Most windows in which a text longer than max_tokens is read (see `engines.windows`); 1: it is cut. The
            fake engine reads every text whole.

    Raises:
        UserError: No model is named, or max_tokens is more than the model reads.
        ModelError: The folder is not a model folder, or weights are missing.
    """
    if isinstance(config, FakeConfig):
        from shopbatch.engines.encoders.fake_encoder import FakeEncoder

        return FakeEncoder(config)
    encoder = _open(config, _folder(config.kind, model_dir))
    if windows == 1:
        return encoder
    from shopbatch.engines.windows import WindowCutter, WindowedEncoder

    return WindowedEncoder(encoder, WindowCutter(_folder(config.kind, model_dir), config.max_tokens, windows))


def _open(config: OpenVinoConfig | TorchConfig, folder: Path) -> Encoder:
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


def open_translator(config: ApertiumConfig | CTranslate2Config, folders: dict[str, str]) -> Translator:
    """Open the translator that `config` describes.

    Args:
        config: The translator.
        folders: Folder of the model of each pair, such as en-es; "" is the folder of all pairs. A program needs none.

    Raises:
        UserError: The program or the package is not installed.
    """
    if isinstance(config, ApertiumConfig):
        from shopbatch.engines.translators.apertium import ApertiumTranslator

        return ApertiumTranslator(config)
    from shopbatch.engines.translators.ctranslate2_translator import CTranslate2Translator

    return CTranslate2Translator(config, {pair: str(local(folder)) for pair, folder in folders.items()})
