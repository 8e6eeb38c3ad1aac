"""The configuration of the job write_ads (`conf/*/write_ads.yaml`)."""

from __future__ import annotations

import datetime as dt
import re
from typing import Literal, TypeVar, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator

from shopbatch.capabilities.copywriting.config import CopyEngine, PlanConfig
from shopbatch.capabilities.copywriting.words import copy_words
from shopbatch.engines.configs import WITHOUT_MODEL, Sampling
from shopbatch.grounding.lexicon import LANGUAGES
from shopbatch.inference.config import InferenceConfig

ChannelName = Literal["email_subject", "push", "sms", "social", "banner"]
Name = TypeVar("Name", bound=str)
CHANNELS: tuple[ChannelName, ...] = get_args(ChannelName)


class WriteAdsConfig(InferenceConfig):
    """Configuration of the job write_ads."""

    engine: CopyEngine = PlanConfig()
    """What writes the ads: `plan`, or an engine that generates text."""
    model: str = "product-copy@live"
    """Model that writes the ads: `name@live`, `name@digest`, or a folder. Engines that load no model ignore it."""
    fallback: bool = True
    """Whether a row whose generated texts break a rule gets planned ads."""
    repair: bool = True
    """Whether a generator is told once which words of its text nothing backs."""
    segments: tuple[str, ...] = ()
    """Names of the segments. Empty: the names in the table `user_segments`, and without it those of `user_profiles`."""
    channels: tuple[ChannelName, ...] = Field(default=CHANNELS, min_length=1)
    """Channels to write for: email_subject, push, sms, social, banner."""
    languages: tuple[str, ...] = Field(default=LANGUAGES, min_length=1)
    """ISO 639 codes of the languages. A product gets ads in those in whose script it is named."""
    markets: dict[str, str] = Field(default={"en": "US", "zh": "CN"})
    """Market of the products that name none, by language. Its rules of advertising hold, and its offers."""
    variants: int = Field(default=2, ge=1, le=6)
    """Number of texts of each ad, for A/B tests."""
    send_on: dt.date | None = None
    """Day on which the ads are sent (YYYY-MM-DD): only offers that hold all of it are stated. null: today."""
    timezone: str = "UTC"
    """Time zone of the shop's days, such as Asia/Shanghai."""
    available_only: bool = True
    """Whether products that are out of stock get no ads. A product of unknown stock gets some."""
    with_offer_only: bool = False
    """Whether only products with an offer on the day get ads."""
    shop: str = Field(default="", max_length=20)
    """The shop's name, as an SMS shows it in front of its text. Empty: the sender's number or name says it."""
    opt_out: bool = True
    """Whether an SMS says how to opt out."""
    allowed: tuple[str, ...] = copy_words().allowed
    """Words of the list of harmful words that ads may use. Words of the product's attributes are always allowed."""
    prompts: str = "conf/prompts/ad.{language}.md"
    """File that holds a generator's instruction for a language; {language} stands for the code."""
    sampling: Sampling = Sampling(max_new_tokens=240)
    """How the first attempt is drawn. Later attempts have other seeds and more room."""
    retry_temperature: float = Field(default=0.7, ge=0)
    """Temperature of the second and later attempts."""
    guided: bool = True
    """Whether to decode under the JSON schema of ads, if the engine can."""
    call_rows: int = Field(default=128, ge=1)
    """Number of prompts in one call of the engine."""

    @field_validator("segments")
    @classmethod
    def _named(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [v for v in value if not re.fullmatch(r"[\w .&+-]{1,60}", v)]:
            raise ValueError(f"{wrong[0]!r} is no name of a segment: it may hold letters, digits, spaces and .&+-_")
        return _once(value)

    @field_validator("channels")
    @classmethod
    def _channels(cls, value: tuple[ChannelName, ...]) -> tuple[ChannelName, ...]:
        return _once(value)

    @field_validator("languages")
    @classmethod
    def _languages(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [v for v in value if v not in LANGUAGES]:
            raise ValueError(f"no ads in {wrong[0]!r}; there are words for: {', '.join(LANGUAGES)}")
        return _once(value)

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"{value!r} is no time zone: write one of the IANA list, such as Asia/Shanghai") from None
        return value

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of the shop's days."""
        return ZoneInfo(self.timezone)

    @property
    def day(self) -> dt.date:
        """The day on which the ads are sent."""
        return self.send_on or dt.datetime.now(self.zone).date()

    @property
    def loads_model(self) -> bool:
        """Whether the engine loads a model's weights on this machine."""
        return self.engine.kind not in (*WITHOUT_MODEL, "plan")

    def required_tables(self) -> tuple[str, ...]:
        """The table that a run needs."""
        return ("products",)

    def optional_tables(self) -> tuple[str, ...]:
        """Offers, and the names of segments."""
        return ("offers",)

    def required_models(self) -> dict[str, str]:
        """Return the model that must be registered; none if the engine loads no model."""
        return {} if not self.loads_model else {"model": self.model}


def _once(value: tuple[Name, ...]) -> tuple[Name, ...]:
    if len(set(value)) < len(value):
        raise ValueError(f"{next(v for v in value if value.count(v) > 1)!r} is named twice")
    return value
