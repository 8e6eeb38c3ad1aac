"""The configurations of engines that translate, by `kind`. Importing this module loads no backend."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from shopbatch.core.config import Strict
from shopbatch.engines.configs import GenerateConfig


class ApertiumConfig(Strict):
    """Translates with the program Apertium, which has to be installed with a pair of languages."""

    kind: Literal["apertium"] = "apertium"
    """The backend: the program apertium."""
    program: str = "apertium"
    """Name of the program on the PATH, or its path."""
    data: str = "/usr/share/apertium"
    """Folder of the pairs of languages."""
    modes: dict[str, str] = Field(default_factory=dict)
    """Name of the mode by pair, such as en-es: eng-spa_US. The others are named by the ISO 639-3 codes: eng-spa."""
    batch_bytes: int = Field(default=65_536, ge=1)
    """Most bytes of text in one call of the program."""
    timeout: float = Field(default=60.0, gt=0)
    """Most seconds of one call."""

    def identity(self) -> dict[str, Any]:
        """Return the fields that can change a result. The digest of the pair's files is part of the recipe as well."""
        return {"kind": self.kind, "modes": dict(self.modes)}


class CTranslate2Config(Strict):
    """Translates with a converted OPUS-MT or NLLB model on the CPU or a GPU (CTranslate2)."""

    kind: Literal["ctranslate2"] = "ctranslate2"
    """The backend: CTranslate2."""
    compute: Literal["default", "int8", "float32", "float16", "bfloat16"] = "default"
    """Number format of the computation. default is that of the converted model."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where it computes."""
    threads: int = Field(default=1, ge=1)
    """CPU threads of one worker."""
    beam: int = Field(default=2, ge=1)
    """How many translations are followed at the same time."""
    batch_tokens: int = Field(default=2048, ge=1)
    """Size of one call in tokens."""
    max_tokens: int = Field(default=512, ge=2)
    """Most tokens of a text; a longer one is an error. A translation has at most twice as many, and a few more."""
    languages: dict[str, str] = Field(default_factory=dict)
    """Tokens of languages by ISO 639-1 code, such as es: spa_Latn. None for a model of one pair."""

    def identity(self) -> dict[str, Any]:
        """Return the fields that can change a result, to be part of the recipe."""
        return {"kind": self.kind, "compute": self.compute, "beam": self.beam, "languages": dict(self.languages)}


TranslateConfig = Annotated[ApertiumConfig | CTranslate2Config | GenerateConfig, Field(discriminator="kind")]
