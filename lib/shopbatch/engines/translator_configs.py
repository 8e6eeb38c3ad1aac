"""Configuration classes of translation engines; the field `kind` selects the backend.

Importing this module loads no backend.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from shopbatch.core.config import Strict
from shopbatch.engines.configs import GenerateConfig


class ApertiumConfig(Strict):
    """Settings of the Apertium translator: a rule-based program that must be installed with each language pair."""

    kind: Literal["apertium"] = "apertium"
    """The backend: the program apertium."""
    program: str = "apertium"
    """Name of the program on the PATH, or its full path."""
    data: str = "/usr/share/apertium"
    """Folder in which Apertium's language pairs are installed."""
    modes: dict[str, str] = Field(default_factory=dict)
    """Name of Apertium's mode for a language pair, such as en-es: eng-spa_US. The mode of a pair that is not listed is
    made of the ISO 639-3 codes: eng-spa."""
    batch_bytes: int = Field(default=65_536, ge=1)
    """Maximum number of bytes of text in one call of the program; several texts share a call up to this size."""
    timeout: float = Field(default=60.0, gt=0)
    """Maximum duration of one call of the program in seconds; a longer call is an error."""

    def identity(self) -> dict[str, Any]:
        """Return the settings that can change a result. The recipe also contains a digest of the pair's files."""
        return {"kind": self.kind, "modes": dict(self.modes)}


class CTranslate2Config(Strict):
    """Settings of the CTranslate2 translator: a converted OPUS-MT or NLLB model on the CPU or a GPU."""

    kind: Literal["ctranslate2"] = "ctranslate2"
    """The backend: CTranslate2."""
    compute: Literal["default", "int8", "float32", "float16", "bfloat16"] = "default"
    """Number format of the computation. default takes the format of the converted model."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Device on which the model runs."""
    threads: int = Field(default=1, ge=1)
    """Number of CPU threads of each worker."""
    beam: int = Field(default=2, ge=1)
    """Beam size: number of candidate translations that the search follows in parallel. 1 is greedy and fastest; more is
    slower and often better. Each retry of a text adds 2."""
    batch_tokens: int = Field(default=2048, ge=1)
    """Maximum size of one batch in tokens. Lower it to save memory."""
    max_tokens: int = Field(default=512, ge=2)
    """Maximum number of tokens of a text; a longer text is an error. Its translation may have about twice as many
    tokens."""
    languages: dict[str, str] = Field(default_factory=dict)
    """Language token of a multilingual model for each ISO 639-1 code, such as es: spa_Latn. Leave it empty for a model
    of one language pair."""

    def identity(self) -> dict[str, Any]:
        """Return the settings that can change a result, which become part of the recipe (the key of memo rows)."""
        return {"kind": self.kind, "compute": self.compute, "beam": self.beam, "languages": dict(self.languages)}


TranslateConfig = Annotated[ApertiumConfig | CTranslate2Config | GenerateConfig, Field(discriminator="kind")]
