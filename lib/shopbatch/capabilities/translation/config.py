"""The configuration of translate_products and translate_replies (`conf/*/translate_*.yaml`)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from shopbatch.core.config import Strict
from shopbatch.engines.configs import WITHOUT_MODEL, EngineConfig, FakeConfig, OpenVinoConfig, Sampling
from shopbatch.engines.translator_configs import ApertiumConfig, TranslateConfig
from shopbatch.inference.config import InferenceConfig


class Likeness(Strict):
    """Least likeness of a text and its translation to an encoder, as cosines of -1 to 1."""

    whole: float = Field(default=0.12, ge=-1, le=1)
    """Of the whole texts."""
    covered: float = Field(default=0.04, ge=-1, le=1)
    """Of each clause of the text with what is most like it in the translation."""
    backed: float = Field(default=-0.02, ge=-1, le=1)
    """Of each clause of the translation with what is most like it in the text."""
    margin: float = Field(default=0.12, ge=0, le=1)
    """How much more a clause needs where the translation is shorter or longer than expected, too."""


class References(Strict):
    """How translations are measured where the table `translation_references` holds their texts."""

    drop: float = Field(default=2.0, ge=0)
    """Gate: by how much chrF (0 to 100) may lie under that of the live translations."""
    fewest: int = Field(default=20, ge=1)
    """Fewest texts with a reference, by language, for which the gate holds."""


class TranslateRepliesConfig(InferenceConfig):
    """Configuration of the job translate_replies."""

    engine: TranslateConfig = ApertiumConfig()
    """What translates: a program, a converted model, or an engine that generates text."""
    model: str = "translate-{source}-{target}@live"
    """Model that translates: `name@live`, `name@digest`, or a folder; {source} and {target} stand for the languages.
    Of kind ctranslate2 a folder. Engines that load no model ignore it."""
    targets: tuple[str, ...] = Field(default=("es",), min_length=1)
    """ISO 639-1 codes of the languages to translate into. Each is a partition of the table with a recipe of its own."""
    sources: tuple[str, ...] = Field(default=("en",), min_length=1)
    """ISO 639-1 codes of the languages to translate from. A text in another one, but for the target, is rejected as
    no_pair."""
    default_source: str | None = "en"
    """Language of texts whose language neither the table nor the text tells. null: they are rejected as no_language."""
    prompt: str = "conf/prompts/translate.md"
    """File that holds the instruction for an engine that generates text; {source} and {target} stand for languages."""
    sampling: Sampling = Sampling(max_new_tokens=600)
    """How the first attempt of a generator is drawn. Later attempts have other seeds."""
    retry_temperature: float = Field(default=0.5, ge=0)
    """Temperature of a generator's second and later attempts."""
    encoder: EngineConfig = OpenVinoConfig(precision="fp32", max_tokens=256)
    """What compares texts with translations."""
    encoder_model: str | None = "e5-small-search"
    """Model of the encoder. null: likeness is not looked at; missing and added parts are then found by length alone."""
    likeness: Likeness = Likeness()
    """Least likeness of a text and its translation."""
    references: References = References()
    """How translations are measured with those of people."""
    most_source: float = Field(default=0.5, ge=0, le=1)
    """Gate: maximum share of texts of a language for which no translation passed. Not judged under 20 texts."""
    call_rows: int = Field(default=64, ge=1)
    """Number of texts in one call of the engine."""
    max_bytes: int = Field(default=20_000, ge=1)
    """A longer text is rejected as too_long."""

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
        """Whether a generator's weights are loaded on this machine."""
        return self.engine.kind not in (*WITHOUT_MODEL, "apertium", "ctranslate2")

    @property
    def compares(self) -> bool:
        """Whether an encoder compares texts with translations."""
        return self.encoder_model is not None or isinstance(self.encoder, FakeConfig)

    def required_tables(self) -> tuple[str, ...]:
        """The table that a run reads."""
        return ("ticket_answers",)

    def optional_tables(self) -> tuple[str, ...]:
        """Tables that a run reads if they are there."""
        return ("glossary", "translation_references")


Part = Literal["products", "product_descriptions", "ads"]


class TranslateProductsConfig(TranslateRepliesConfig):
    """Configuration of the job translate_products."""

    parts: tuple[Part, ...] = Field(default=("products",), min_length=1)
    """Tables whose texts are translated: titles and descriptions of products, published copy, ads."""

    def required_tables(self) -> tuple[str, ...]:
        """The tables that a run reads."""
        return tuple(self.parts)

    def optional_tables(self) -> tuple[str, ...]:
        """Tables that a run reads if they are there."""
        return ("glossary", "translation_references")
