"""The configuration of the job describe_products (`conf/*/describe_products.yaml`)."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator

from shopbatch.capabilities.copywriting.prompt import SHOWN
from shopbatch.capabilities.copywriting.words import copy_words
from shopbatch.core.config import Strict
from shopbatch.engines.configs import WITHOUT_MODEL, GenerateConfig, Sampling
from shopbatch.grounding.facts import DESCRIPTION, ENTRY, entry_name
from shopbatch.inference.config import InferenceConfig


class Banned(Strict):
    """Claims that copy for a market may not make in a language, whatever the attributes say."""

    market: str
    """The market, as `rules.market` names it."""
    language: str
    """ISO 639 code of the language."""
    patterns: tuple[str, ...]
    """Regular expressions of the claims; case makes no difference."""

    @field_validator("patterns")
    @classmethod
    def _compile(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in value:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is no regular expression: {error}") from None
        return value


class Rules(Strict):
    """What copy must be like to be published. Changing a rule judges the stored texts again and generates nothing."""

    market: str = "us"
    """The market, which decides which `banned` claims apply."""
    banned: tuple[Banned, ...] = ()
    """Claims that may not be made at all, by market and language."""
    headline: int = Field(default=120, ge=1)
    """Maximum length of the headline in characters, in every language."""
    description: int = Field(default=900, ge=1)
    """Maximum length of the description in characters, in every language."""
    bullet: int = Field(default=200, ge=1)
    """Maximum length of a bullet in characters, in every language."""
    shortest: int = Field(default=20, ge=0)
    """Minimum length of the description in characters; half of it for Chinese."""
    repeats: float = Field(default=0.5, ge=0, le=1)
    """Maximum share of pairs of neighbouring words (Chinese: characters) that occurred before in the text, since small
    models fall into loops."""
    coverage: float = Field(default=0.5, ge=0, le=1)
    """Minimum share of the product's attributes that its copy must mention."""
    allowed: tuple[str, ...] = copy_words().allowed
    """Words of the list of harmful words that copy may use. Words of the product's attributes are always allowed."""

    def banned_in(self, language: str) -> tuple[str, ...]:
        """The regular expressions of the claims that are banned in the market in a language."""
        return tuple(p for b in self.banned if b.market == self.market and b.language == language for p in b.patterns)

    @property
    def identity(self) -> dict[str, Any]:
        """The rules as JSON values, to be part of the digest that names the version of the checks."""
        return self.model_dump(mode="json")


class Example(Strict):
    """A product and its copy, shown to the model before each product."""

    language: str
    """ISO 639 code of the language that the example belongs to."""
    attributes: dict[str, str]
    """Columns of `products` and their values; entries of its column `attributes` as `attributes.<name>`."""
    copy_text: str = Field(alias="copy")
    """The copy, as the model should write it."""

    @field_validator("attributes")
    @classmethod
    def _known(cls, value: dict[str, str]) -> dict[str, str]:
        if wrong := sorted(n for n in value if n not in (*SHOWN, DESCRIPTION) and not entry_name(n)):
            raise ValueError(f"no attribute {wrong[0]!r}; there are: {', '.join(SHOWN)}, {DESCRIPTION}, {ENTRY}<name>")
        return value


class PlanConfig(Strict):
    """Writes by plan: facts are chosen, ordered, and said in the patterns of the language. It needs no model."""

    kind: Literal["plan"] = "plan"
    """The writer: the planner."""

    light: ClassVar[bool] = True

    def identity(self) -> dict[str, Any]:
        """Return the fields that can change a result, to be part of the recipe."""
        return {"kind": self.kind}


CopyEngine = Annotated[PlanConfig | GenerateConfig, Field(discriminator="kind")]


class StyleConfig(Strict):
    """How planned copy is written."""

    tone: Literal["plain", "warm", "premium"] = "plain"
    """Tone of the last sentence (`closing`)."""
    closing: bool = False
    """Whether the description ends with a sentence about the use of such goods."""
    keywords: tuple[str, ...] = ()
    """Words for search engines. The meta description holds those that the product's facts back."""


class Price(Strict):
    """What tokens cost, for the estimate of a dry run and for the report."""

    currency: str = "USD"
    """Name of the currency."""
    tokens_in: float = Field(default=0.0, ge=0)
    """Price of a million tokens of prompts."""
    tokens_out: float = Field(default=0.0, ge=0)
    """Price of a million tokens of answers."""

    def cost(self, tokens_in: float, tokens_out: float) -> float:
        """Return the price of this many tokens."""
        return (tokens_in * self.tokens_in + tokens_out * self.tokens_out) / 1e6


class Config(InferenceConfig):
    """Configuration of the job describe_products."""

    engine: CopyEngine = PlanConfig()
    """What writes the copy: `plan`, or an engine that generates text."""
    style: StyleConfig = StyleConfig()
    """How planned copy is written."""
    fallback: bool = True
    """Whether a product whose generated texts all break a rule gets planned copy, in languages that have patterns."""
    repair: bool = True
    """Whether a generator is told once which words of its text nothing backs."""
    model: str = "product-copy@live"
    """Model that writes the copy: `name@live`, `name@digest`, or a folder. Engines that load no model ignore it."""
    languages: tuple[str, ...] = Field(default=("en",), min_length=1)
    """ISO 639 codes of the languages. Each is a partition of the table and has a recipe of its own."""
    prompts: str = "conf/prompts/describe.{language}.md"
    """File that holds the instruction for a language; {language} stands for the code."""
    examples: tuple[Example, ...] = ()
    """Products and their copy that the model is shown before each product."""
    sampling: Sampling = Sampling(max_new_tokens=200)
    """How the first attempt is drawn. Later attempts have other seeds and more room."""
    retry_temperature: float = Field(default=0.7, ge=0)
    """Temperature of the second and later attempts."""
    guided: bool = True
    """Whether to decode under the JSON schema of copy, if the engine can."""
    rules: Rules = Rules()
    """What copy must be like to be published."""
    call_rows: int = Field(default=128, ge=1)
    """Number of prompts in one call of the engine."""
    price: Price = Price()
    """What tokens cost."""
    compare: int = Field(default=64, ge=0)
    """Number of products on which the first run of a recipe compares the model with its base model and a fixed template
    (0: no comparison)."""
    unmentioned: float = Field(default=0.5, ge=0, le=1)
    """Gate: maximum mean share of attributes that the copy leaves out."""
    sample: int = Field(default=128, ge=8)
    """Number of products that a dry run writes copy for, to estimate the whole run."""

    @field_validator("languages")
    @classmethod
    def _codes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [v for v in value if not (v.isalpha() and v.islower() and 2 <= len(v) <= 3)]:
            raise ValueError(f"{wrong[0]!r} is no ISO 639 code in small letters")
        if len(set(value)) < len(value):
            raise ValueError("a language is named twice")
        return value

    @property
    def loads_model(self) -> bool:
        """Whether the engine loads a model's weights on this machine."""
        return self.engine.kind not in (*WITHOUT_MODEL, "plan")

    def required_tables(self) -> tuple[str, ...]:
        """The table that a run reads."""
        return ("products",)

    def optional_tables(self) -> tuple[str, ...]:
        """The verdicts on copy, which a run applies."""
        return ("copy_reviews",)

    def required_models(self) -> dict[str, str]:
        """Return the model that must be registered; none if the engine loads no model."""
        return {} if not self.loads_model else {"model": self.model}
