"""Keys of `conf/*/describe_products.yaml`, and what they mean."""

from __future__ import annotations

from pydantic import Field, field_validator

from shopbatch.capabilities.copywriting.prompt import SHOWN
from shopbatch.capabilities.copywriting.rules import Rules
from shopbatch.core.config import Strict
from shopbatch.engines.configs import GenerateConfig, Sampling
from shopbatch.inference.spec import InferenceConfig


class Example(Strict):
    """One product and its copy, shown to the model before the product in question. attributes: columns of products."""

    language: str
    attributes: dict[str, str]
    copy_text: str = Field(alias="copy")

    @field_validator("attributes")
    @classmethod
    def _known(cls, value: dict[str, str]) -> dict[str, str]:
        if wrong := sorted(set(value) - set(SHOWN)):
            raise ValueError(f"no attribute {wrong[0]!r}; there are: {', '.join(SHOWN)}")
        return value


class Price(Strict):
    """Money for a million tokens of prompts (tokens_in) and of answers (tokens_out), for estimate and report."""

    currency: str = "USD"
    tokens_in: float = Field(default=0.0, ge=0)
    tokens_out: float = Field(default=0.0, ge=0)

    def of(self, tokens_in: float, tokens_out: float) -> float:
        """What so many tokens cost."""
        return (tokens_in * self.tokens_in + tokens_out * self.tokens_out) / 1e6


class Config(InferenceConfig):
    """model: as `registry.base` takes it; not used by an engine that loads none. languages: each is a table's part
    with a recipe of its own. prompts: file of the instruction, {language} standing for the code.

    sampling: of the first attempt; later ones draw at retry_temperature with other seeds and more room.
    guided: decode under the JSON schema where the engine can. rules: what copy must be like; they regenerate nothing.
    call_rows: prompts that go to the engine together. compare: products (0: none) on which a first run of a recipe sets
    the base model and a fixed template beside the model, in the report. unmentioned: greatest mean share of attributes
    that copy leaves out. sample: products that a dry run writes copy for, to estimate the rest.
    """

    engine: GenerateConfig
    model: str = "product-copy@live"
    languages: tuple[str, ...] = Field(default=("en",), min_length=1)
    prompts: str = "conf/prompts/describe.{language}.md"
    examples: tuple[Example, ...] = ()
    sampling: Sampling = Sampling(max_new_tokens=200)
    retry_temperature: float = Field(default=0.7, ge=0)
    guided: bool = True
    rules: Rules = Rules()
    call_rows: int = Field(default=128, ge=1)
    price: Price = Price()
    compare: int = Field(default=64, ge=0)
    unmentioned: float = Field(default=0.5, ge=0, le=1)
    sample: int = Field(default=128, ge=8)

    @field_validator("languages")
    @classmethod
    def _codes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [v for v in value if not (v.isalpha() and v.islower() and 2 <= len(v) <= 3)]:
            raise ValueError(f"{wrong[0]!r} is no ISO 639 code in small letters")
        if len(set(value)) < len(value):
            raise ValueError("a language is named twice")
        return value
