"""Opens the text encoder, generator or translator that a configuration describes.

A backend is imported only when it is opened.
"""

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
    """Open the text encoder that `config` describes, with its model loaded.

    Args:
        config: Settings of the encoder.
        model_dir: Path or URI of the model folder, as `models.registry.resolve` returns it. The fake engine needs none.
        windows: Maximum number of windows in which a text longer than `max_tokens` is read (see `engines.windows`).
            With 1 the text is cut. The fake engine always reads the whole text.

    Raises:
        UserError: No model is named, or `max_tokens` is more than the model can read.
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
    """Open the torch or OpenVINO encoder of a local model folder, without windows."""
    if isinstance(config, TorchConfig):
        from shopbatch.engines.encoders.torch_encoder import TorchEncoder

        return TorchEncoder(config, folder)
    from shopbatch.engines.encoders.openvino_encoder import OpenVinoEncoder

    return OpenVinoEncoder(config, folder)


def prepare(config: EngineConfig, model_dir: str | None) -> None:
    """Export the encoder's OpenVINO graph on the driver, so that the workers do not each export it when they start.

    Other backends need no preparation.
    """
    if isinstance(config, OpenVinoConfig) and model_dir is not None:
        from shopbatch.engines.encoders.openvino_encoder import exported_encoder

        exported_encoder(local(model_dir))


def open_generator(config: GenerateConfig, model_dir: str | None) -> Generator:
    """Open the text generator that `config` describes, with its model loaded.

    Args:
        config: Settings of the generator.
        model_dir: Path or URI of the model folder, as `models.registry.resolve` returns it. The kinds in WITHOUT_MODEL
            (fake, http) need none.

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
    """Check the generator's settings and export its OpenVINO graph on the driver, before the workers start.

    Otherwise each worker would export the graph itself.

    Args:
        config: Settings of the generator.
        model_dir: As for `open_generator`.

    Raises:
        UserError, ModelError: As `open_generator`, as far as an error shows without loading the weights.
    """
    if isinstance(config, HttpGenerateConfig):
        from shopbatch.engines.generators.http_generator import HttpGenerator

        HttpGenerator(config)
    if isinstance(config, OpenVinoGenerateConfig):
        from shopbatch.engines.generators.openvino_generator import exported_causal

        exported_causal(_folder(config.kind, model_dir), config.precision)


def _folder(kind: str, model_dir: str | None) -> Path:
    """Return the local folder of a model, fetched if it is elsewhere; raise UserError if no model is named."""
    if model_dir is None:
        raise UserError(f"engine {kind} needs a model")
    return local(model_dir)


def open_translator(config: ApertiumConfig | CTranslate2Config, folders: dict[str, str]) -> Translator:
    """Open the translator that `config` describes.

    Args:
        config: Settings of the translator.
        folders: Model folder of each language pair, by a name such as "en-es"; the key "" gives one folder for all
            pairs. Apertium, which is a program, needs none.

    Raises:
        UserError: Apertium is not installed. CTranslate2 raises this only at the first translation.
    """
    if isinstance(config, ApertiumConfig):
        from shopbatch.engines.translators.apertium import ApertiumTranslator

        return ApertiumTranslator(config)
    from shopbatch.engines.translators.ctranslate2_translator import CTranslate2Translator

    return CTranslate2Translator(config, {pair: str(local(folder)) for pair, folder in folders.items()})
