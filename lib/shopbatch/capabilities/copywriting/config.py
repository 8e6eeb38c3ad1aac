"""Settings of the job describe_products (`conf/*/describe_products.yaml`)."""

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
    """Claims that copy must not make in one market and language, even if the product's attributes back them."""

    market: str
    """Name of the market; the claims apply if `rules.market` has the same name."""
    language: str
    """ISO 639 code of the copy's language."""
    patterns: tuple[str, ...]
    """Regular expressions of the claims, matched without regard to case."""

    @field_validator("patterns")
    @classmethod
    def _compile(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """Refuse texts that are no regular expressions."""
        for pattern in value:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is no regular expression: {error}") from None
        return value


class Rules(Strict):
    """Rules that copy must pass to be published.

    Changing a rule judges the stored texts again; it generates no text.
    """

    market: str = "us"
    """Name of the market for which copy is written. Of the `banned` claims those of this market apply."""
    banned: tuple[Banned, ...] = ()
    """Claims that copy must not make, by market and language."""
    headline: int = Field(default=120, ge=1)
    """Maximum length of the headline in characters, in every language."""
    description: int = Field(default=900, ge=1)
    """Maximum length of the description in characters, in every language."""
    bullet: int = Field(default=200, ge=1)
    """Maximum length of a bullet in characters, in every language."""
    shortest: int = Field(default=20, ge=0)
    """Minimum length of the description in characters; for Chinese half of it."""
    repeats: float = Field(default=0.5, ge=0, le=1)
    """Maximum share (0 to 1) of pairs of neighbouring words (Chinese: characters) that occurred before in the same
    text. It catches small models that fall into loops; 1 switches the rule off."""
    coverage: float = Field(default=0.5, ge=0, le=1)
    """Minimum share (0 to 1) of the product's attributes that its copy must mention; 0 switches the rule off."""
    allowed: tuple[str, ...] = copy_words().allowed
    """Words that copy may use although they are on the list of harmful words. Words of the product's own attributes are
    always allowed."""

    def banned_in(self, language: str) -> tuple[str, ...]:
        """Return the regular expressions of the claims that are banned in a language, in the configured market."""
        return tuple(p for b in self.banned if b.market == self.market and b.language == language for p in b.patterns)

    @property
    def identity(self) -> dict[str, Any]:
        """Return all rules as JSON values. They are part of `DescriptionStage.checks`, so that a change is noticed."""
        return self.model_dump(mode="json")


class Example(Strict):
    """A product with its copy, which the prompt shows to the model as an example."""

    language: str
    """ISO 639 code of the language; only prompts of this language show the example."""
    attributes: dict[str, str]
    """The product's values by column of `products`; entries of the column `attributes` are named
    `attributes.<name>`."""
    copy_text: str = Field(alias="copy")
    """The copy as the model should write it: JSON with headline, description and bullets."""

    @field_validator("attributes")
    @classmethod
    def _known(cls, value: dict[str, str]) -> dict[str, str]:
        """Refuse names that are neither columns of a prompt nor entries of `attributes`."""
        if wrong := sorted(n for n in value if n not in (*SHOWN, DESCRIPTION) and not entry_name(n)):
            raise ValueError(f"no attribute {wrong[0]!r}; there are: {', '.join(SHOWN)}, {DESCRIPTION}, {ENTRY}<name>")
        return value


class PlanConfig(Strict):
    """The planner as writer: it fills the product's attributes into sentence patterns and needs no model."""

    kind: Literal["plan"] = "plan"
    """Name of the writer: `plan`."""

    light: ClassVar[bool] = True

    def identity(self) -> dict[str, Any]:
        """Return the fields that can change a result, to be part of the recipe."""
        return {"kind": self.kind}


CopyEngine = Annotated[PlanConfig | GenerateConfig, Field(discriminator="kind")]


class StyleConfig(Strict):
    """Style of the copy that the planner writes (engine `plan`, or fallback of a model)."""

    tone: Literal["plain", "warm", "premium"] = "plain"
    """Tone of the closing sentence; without `closing` it matters only for very short descriptions."""
    closing: bool = False
    """Whether the description ends with a general sentence about products of this kind and their use."""
    keywords: tuple[str, ...] = ()
    """Words for search engines. The meta description gets those that the product's attributes contain."""


class Price(Strict):
    """Price of tokens, for the cost estimate of a dry run and for the report."""

    currency: str = "USD"
    """Name of the currency, as the report shows it."""
    tokens_in: float = Field(default=0.0, ge=0)
    """Price of a million prompt tokens; 0: free."""
    tokens_out: float = Field(default=0.0, ge=0)
    """Price of a million answer tokens; 0: free."""

    def cost(self, tokens_in: float, tokens_out: float) -> float:
        """Return the price of these numbers of prompt and answer tokens, in `currency`."""
        return (tokens_in * self.tokens_in + tokens_out * self.tokens_out) / 1e6


class Config(InferenceConfig):
    """Settings of the job describe_products."""

    engine: CopyEngine = PlanConfig()
    """Writer of the copy: `plan` (sentence patterns, no model), or an engine that generates text."""
    style: StyleConfig = StyleConfig()
    """Style of the copy that the planner writes; generated copy follows its prompt instead."""
    fallback: bool = True
    """Whether the planner writes the copy of a product whose generated texts all break a rule. Only for languages that
    have patterns (en, zh)."""
    repair: bool = True
    """Whether the model gets one chance per attempt to correct a text: it is told which of its words no attribute of
    the product backs."""
    model: str = "product-copy@live"
    """Model that writes the copy: `name@live`, `name@digest`, or a folder. Engines that load no model ignore it."""
    languages: tuple[str, ...] = Field(default=("en",), min_length=1)
    """ISO 639 codes of the languages in which copy is written. Each language is a partition of the table and has its
    own recipe, so adding one computes nothing again for the others."""
    prompts: str = "conf/prompts/describe.{language}.md"
    """File with the model's instruction for a language; {language} stands for the code. The planner reads no prompt."""
    examples: tuple[Example, ...] = ()
    """Products with their copy that every prompt shows to the model before the product at hand."""
    sampling: Sampling = Sampling(max_new_tokens=200)
    """Sampling of the first attempt. Later attempts use other seeds and up to twice as many new tokens."""
    retry_temperature: float = Field(default=0.7, ge=0)
    """Sampling temperature of the second and later attempts; 0: greedy."""
    guided: bool = True
    """Whether the engine may only generate JSON that fits the schema of copy. Engines that cannot do this ignore it."""
    rules: Rules = Rules()
    """Rules that copy must pass to be published."""
    call_rows: int = Field(default=128, ge=1)
    """Number of prompts in one call of the engine. More use the hardware better and need more memory."""
    price: Price = Price()
    """Price of tokens, for the estimate of a dry run and for the report."""
    compare: int = Field(default=64, ge=0)
    """Number of products on which the first run of a new recipe compares the model with its base model and with a fixed
    template (0: no comparison)."""
    unmentioned: float = Field(default=0.5, ge=0, le=1)
    """Gate: a language is not published if its copy leaves out more than this share (0 to 1) of the attributes, as the
    mean of all products."""
    sample: int = Field(default=128, ge=8)
    """Number of products for which a dry run writes copy, to estimate the time and cost of the whole run."""

    @field_validator("languages")
    @classmethod
    def _codes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """Refuse texts that are no language codes, and codes that are listed twice."""
        if wrong := [v for v in value if not (v.isalpha() and v.islower() and 2 <= len(v) <= 3)]:
            raise ValueError(f"{wrong[0]!r} is no ISO 639 code in small letters")
        if len(set(value)) < len(value):
            raise ValueError("a language is named twice")
        return value

    @property
    def loads_model(self) -> bool:
        """Return True if the engine loads a model's weights on this machine."""
        return self.engine.kind not in (*WITHOUT_MODEL, "plan")

    def required_tables(self) -> tuple[str, ...]:
        """Return the names of the tables without which the job cannot run: `products`."""
        return ("products",)

    def optional_tables(self) -> tuple[str, ...]:
        """Return the names of the tables that the job reads if they exist: `copy_reviews`, the reviewers' verdicts."""
        return ("copy_reviews",)

    def required_models(self) -> dict[str, str]:
        """Return {configuration key: model} of the model that must be registered; {} if the engine loads none."""
        return {} if not self.loads_model else {"model": self.model}
