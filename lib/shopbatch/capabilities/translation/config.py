"""Settings of the jobs translate_products and translate_replies (`conf/*/translate_*.yaml`)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from shopbatch.core.config import Strict
from shopbatch.engines.configs import WITHOUT_MODEL, EngineConfig, FakeConfig, OpenVinoConfig, Sampling
from shopbatch.engines.translator_configs import ApertiumConfig, TranslateConfig
from shopbatch.inference.config import InferenceConfig


class Likeness(Strict):
    """Lower limits for the similarity of a text and its translation, as cosines (-1 to 1) of the encoder's vectors.

    A translation below a limit is refused. Higher limits refuse more translations, good ones included.
    """

    whole: float = Field(default=0.12, ge=-1, le=1)
    """Least cosine of the whole text and the whole translation. Below it the translation has the fault `meaning`."""
    covered: float = Field(default=0.04, ge=-1, le=1)
    """Least cosine of each clause of the text with the most similar part of the translation. Below it the translation
    has the fault `missing`."""
    backed: float = Field(default=-0.02, ge=-1, le=1)
    """Least cosine of each clause of the translation with the most similar part of the text. Below it the translation
    has the fault `added`."""
    margin: float = Field(default=0.12, ge=0, le=1)
    """Added to `covered` where the translation is also shorter than expected or has fewer sentences, and to `backed`
    where it is also longer than expected. 0: the length makes no difference."""


class References(Strict):
    """Limits of the chrF gate, which compares translations with human ones (table `translation_references`)."""

    drop: float = Field(default=2.0, ge=0)
    """Gate: chrF points (0 to 100) by which the new translations may score below the live ones."""
    fewest: int = Field(default=20, ge=1)
    """Least number of texts with a human translation, per target language, from which the chrF gate is applied. With
    fewer texts chrF is too noisy to compare."""


class TranslateRepliesConfig(InferenceConfig):
    """Settings of the job translate_replies; translate_products inherits them."""

    engine: TranslateConfig = ApertiumConfig()
    """Engine that translates: `apertium` (a program), `ctranslate2` (a converted model), or any engine that generates
    text."""
    model: str = "translate-{source}-{target}@live"
    """Model of the engine: `name@live`, `name@digest` or a folder; for ctranslate2 always a folder. {source} and
    {target} are replaced by the language codes. Engines that load no model ignore it."""
    targets: tuple[str, ...] = Field(default=("es",), min_length=1)
    """ISO 639-1 codes of the languages to translate into. Each language is one partition of the table, with its own
    recipe and gates: adding one does not translate the others again."""
    sources: tuple[str, ...] = Field(default=("en",), min_length=1)
    """ISO 639-1 codes of the languages to translate from. A text in any other language is rejected as no_pair; a text
    that is already in the target language is kept as it is."""
    default_source: str | None = "en"
    """ISO 639-1 code assumed for a text whose table states no language and whose language cannot be recognised. null:
    such texts are rejected as no_language."""
    prompt: str = "conf/prompts/translate.md"
    """Path of the system prompt for an engine that generates text. {source} and {target} in it are replaced by the
    names of the languages. apertium and ctranslate2 ignore it."""
    sampling: Sampling = Sampling(max_new_tokens=600)
    """Sampling settings for the first attempt of an engine that generates text. Later attempts use another seed and
    `retry_temperature`."""
    retry_temperature: float = Field(default=0.5, ge=0)
    """Sampling temperature of the second and later attempts of an engine that generates text. Higher values give
    translations that differ more from the refused one."""
    encoder: EngineConfig = OpenVinoConfig(precision="fp32", max_tokens=256)
    """Engine of the multilingual encoder whose vectors tell how similar a text and its translation are."""
    encoder_model: str | None = "e5-small-search"
    """Model of the encoder. null: similarity is not checked, so missing and added parts are found only by the length of
    the translation."""
    likeness: Likeness = Likeness()
    """Lower limits for the similarity of a text and its translation."""
    references: References = References()
    """Limits of the chrF gate, which compares translations with human ones."""
    most_source: float = Field(default=0.5, ge=0, le=1)
    """Gate: greatest share (0 to 1) of a target language's texts, not counting those that need no translation, for
    which no translation passed the checks. Not applied to fewer than 20 texts."""
    call_rows: int = Field(default=64, ge=1)
    """Greatest number of texts in one call of the engine. Fewer need less memory, more are usually faster."""
    max_bytes: int = Field(default=20_000, ge=1)
    """Greatest length of a text in bytes of UTF-8. A longer text is rejected as too_long."""

    @field_validator("targets", "sources")
    @classmethod
    def _codes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [v for v in value if not (v.isalpha() and v.islower() and 2 <= len(v) <= 3)]:
            raise ValueError(f"{wrong[0]!r} is no ISO 639 code in small letters")
        if len(set(value)) < len(value):
            raise ValueError("a language is named twice")
        return value

    @property
    def loads_model(self) -> bool:
        """True if the engine generates text with weights loaded on this machine.

        `model` then names a model of the registry.
        """
        return self.engine.kind not in (*WITHOUT_MODEL, "apertium", "ctranslate2")

    @property
    def compares(self) -> bool:
        """True if an encoder compares each text with its translation.

        The fake encoder of tests does so without a model.
        """
        return self.encoder_model is not None or isinstance(self.encoder, FakeConfig)

    def required_tables(self) -> tuple[str, ...]:
        """Return the tables that must exist for a run: the replies to tickets."""
        return ("ticket_answers",)

    def optional_tables(self) -> tuple[str, ...]:
        """Return the tables that a run reads if they exist: the shop's glossary and human translations."""
        return ("glossary", "translation_references")


Part = Literal["products", "product_descriptions", "ads"]


class TranslateProductsConfig(TranslateRepliesConfig):
    """Settings of the job translate_products."""

    parts: tuple[Part, ...] = Field(default=("products",), min_length=1)
    """Tables whose texts are translated: `products` (titles and descriptions), `product_descriptions` (published copy),
    `ads`."""

    def required_tables(self) -> tuple[str, ...]:
        """Return the tables that must exist for a run: those that the setting `parts` names."""
        return tuple(self.parts)

    def optional_tables(self) -> tuple[str, ...]:
        """Return the tables that a run reads if they exist: the shop's glossary and human translations."""
        return ("glossary", "translation_references")
