"""Settings of the job write_ads (`conf/*/write_ads.yaml`)."""

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
    """Settings of the job write_ads."""

    engine: CopyEngine = PlanConfig()
    """Writer of the ads: `plan` (sentence patterns, no model), or an engine that generates text."""
    model: str = "product-copy@live"
    """Model that writes the ads: `name@live`, `name@digest`, or a folder. Engines that load no model ignore it."""
    fallback: bool = True
    """Whether the planner writes the ads of a row whose generated texts still break a rule in the last attempt."""
    repair: bool = True
    """Whether the model gets one chance per attempt to correct a text: it is told which of its words no attribute of
    the product backs."""
    segments: tuple[str, ...] = ()
    """Names of the segments to write for. Empty: the names in the table `user_segments`; without that table those that
    `user_profiles` uses."""
    channels: tuple[ChannelName, ...] = Field(default=CHANNELS, min_length=1)
    """Channels to write for: email_subject, push, sms, social, banner."""
    languages: tuple[str, ...] = Field(default=LANGUAGES, min_length=1)
    """ISO 639 codes of the languages. A product gets ads in the one language in whose script its name is written."""
    markets: dict[str, str] = Field(default={"en": "US", "zh": "CN"})
    """Market (country code) by language, for products without a market of their own. It decides which advertising rules
    and which offers apply."""
    variants: int = Field(default=2, ge=1, le=6)
    """Number of different texts per ad, for A/B tests. With more variants, fewer products that share a name can get
    texts of their own."""
    send_on: dt.date | None = None
    """Day on which the ads are sent (YYYY-MM-DD); null: today. Ads state only offers that are valid for that whole
    day."""
    timezone: str = "UTC"
    """Time zone in which the shop's days begin and end, such as Asia/Shanghai."""
    available_only: bool = True
    """Whether products that are out of stock get no ads. Products of unknown stock always get ads."""
    with_offer_only: bool = False
    """Whether only products with an offer that is valid on the day get ads."""
    shop: str = Field(default="", max_length=20)
    """Name of the shop, which begins every SMS. Empty: the SMS names no shop, because the sender's number or name
    identifies it."""
    opt_out: bool = True
    """Whether every SMS ends with how to opt out, such as "Reply STOP to opt out"."""
    allowed: tuple[str, ...] = copy_words().allowed
    """Words that ads may use although they are on the list of harmful words. Words of the product's own attributes are
    always allowed."""
    prompts: str = "conf/prompts/ad.{language}.md"
    """File with the model's instruction for a language; {language} stands for the code. The planner reads no prompt."""
    sampling: Sampling = Sampling(max_new_tokens=240)
    """Sampling of the first attempt. Later attempts use other seeds and up to twice as many new tokens."""
    retry_temperature: float = Field(default=0.7, ge=0)
    """Sampling temperature of the second and later attempts; 0: greedy."""
    guided: bool = True
    """Whether the engine may only generate JSON that fits the schema of ads. Engines that cannot do this ignore it."""
    call_rows: int = Field(default=128, ge=1)
    """Number of prompts in one call of the engine. More use the hardware better and need more memory."""

    @field_validator("segments")
    @classmethod
    def _named(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """Refuse names of segments with unusual characters, and names that are listed twice."""
        if wrong := [v for v in value if not re.fullmatch(r"[\w .&+-]{1,60}", v)]:
            raise ValueError(f"{wrong[0]!r} is no name of a segment: it may hold letters, digits, spaces and .&+-_")
        return _once(value)

    @field_validator("channels")
    @classmethod
    def _channels(cls, value: tuple[ChannelName, ...]) -> tuple[ChannelName, ...]:
        """Refuse channels that are listed twice."""
        return _once(value)

    @field_validator("languages")
    @classmethod
    def _languages(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """Refuse languages without words for ads, and languages that are listed twice."""
        if wrong := [v for v in value if v not in LANGUAGES]:
            raise ValueError(f"no ads in {wrong[0]!r}; there are words for: {', '.join(LANGUAGES)}")
        return _once(value)

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str) -> str:
        """Refuse texts that are no IANA time zones."""
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"{value!r} is no time zone: write one of the IANA list, such as Asia/Shanghai") from None
        return value

    @property
    def zone(self) -> ZoneInfo:
        """Return the shop's time zone."""
        return ZoneInfo(self.timezone)

    @property
    def day(self) -> dt.date:
        """Return the day on which the ads are sent: `send_on`, or today in the shop's time zone."""
        return self.send_on or dt.datetime.now(self.zone).date()

    @property
    def loads_model(self) -> bool:
        """Return True if the engine loads a model's weights on this machine."""
        return self.engine.kind not in (*WITHOUT_MODEL, "plan")

    def required_tables(self) -> tuple[str, ...]:
        """Return the names of the tables without which the job cannot run: `products`."""
        return ("products",)

    def optional_tables(self) -> tuple[str, ...]:
        """Return the names of the tables that the job reads if they exist: `offers`."""
        return ("offers",)

    def required_models(self) -> dict[str, str]:
        """Return {configuration key: model} of the model that must be registered; {} if the engine loads none."""
        return {} if not self.loads_model else {"model": self.model}


def _once(value: tuple[Name, ...]) -> tuple[Name, ...]:
    """Return the values unchanged if none of them is listed twice.

    Raises:
        ValueError: A value is listed twice.
    """
    if len(set(value)) < len(value):
        raise ValueError(f"{next(v for v in value if value.count(v) > 1)!r} is named twice")
    return value
