"""What an ad may state, what an ad is, and how it is put together with its offer and its frame."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property

import pyarrow as pa

from shopbatch.capabilities.copywriting.ads.channels import Channel, channels
from shopbatch.capabilities.copywriting.ads.offers import SLOT, Offer, ways_to_say
from shopbatch.capabilities.copywriting.ads.words import ad_words
from shopbatch.capabilities.copywriting.product import capital
from shopbatch.grounding.check import Facts
from shopbatch.grounding.lexicon import LANGUAGES
from shopbatch.text.lengths import to_gsm

# Columns of `ads_with_facts` that an ad depends on.
CONTENT = ("occasion", "channel", "language", "market", "name", "wording", "facts", "offer")
MODEL_PARTS = ("title", "text")
_BEGINS = re.compile(rf"(^|[.!?。！？]\s*|\n){re.escape(SLOT)}")


@dataclass(frozen=True)
class AdFacts:
    """What one row of `ads_with_facts` lets its ad state. The attributes are its columns."""

    occasion: str
    channel: str
    language: str
    market: str
    name: str
    wording: int
    facts: str
    offer: str | None = None

    def stored(self) -> str:
        """Write it as JSON, for the memo."""
        return json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def of(cls, text: str) -> AdFacts:
        """Read what `stored` wrote."""
        return cls(**json.loads(text))

    @property
    def attributes(self) -> Mapping[str, str | None]:
        """The product's attributes."""
        return dict(json.loads(self.facts))

    @cached_property
    def known(self) -> Facts:
        """The attributes, ready for the check."""
        return Facts(self.attributes)

    @property
    def offered(self) -> Offer | None:
        """The offer that it states."""
        return Offer.of(self.offer)

    @property
    def room(self) -> Channel:
        """The channel's limits."""
        return channels()[self.channel]


@dataclass(frozen=True)
class Ad:
    """One text; it may hold SLOT once, where the offer stands. title: "" in channels without one."""

    text: str
    title: str = ""

    @property
    def whole(self) -> str:
        """Title and text."""
        return f"{self.title}\n{self.text}" if self.title else self.text

    @property
    def without_offer(self) -> str:
        """Title and text without the slot of the offer."""
        return re.sub(r"[ \t]+", " ", self.whole.replace(SLOT, " "))


@dataclass(frozen=True)
class Frame:
    """What stands around every SMS. shop: the shop's name as the sender; "": none. opt_out: whether to say how."""

    shop: str = ""
    opt_out: bool = True
    identity: tuple[str, bool] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "identity", (self.shop, self.opt_out))

    def around(self, text: str, facts: AdFacts) -> str:
        """The text as it is sent by the channel."""
        if facts.channel != "sms" or facts.language not in LANGUAGES:
            return text
        words = ad_words(facts.language).sms_frame
        sender = words.sender.format(shop=self.shop) if self.shop else ""
        sent = f"{sender}{text}{words.stop if self.opt_out else ''}"
        return sent if facts.language == "zh" else to_gsm(sent)


def read_content(content: pa.Table) -> list[AdFacts]:
    """The rows of a batch with the columns of CONTENT."""
    return [AdFacts(**row) for row in content.select(CONTENT).to_pylist()]


def finished(ad: Ad, facts: AdFacts, frame: Frame) -> Ad | None:
    """An ad as it is sent, with the fullest wording of its offer that has room; None if it has no room at all."""
    return next((sent for sent in _versions(ad, facts, frame) if facts.room.fits(sent.title, sent.text)), None)


def fits_in_full(ad: Ad, facts: AdFacts, frame: Frame) -> bool:
    """Whether an ad has room with its offer in full."""
    sent = next(_versions(ad, facts, frame), None)
    return sent is not None and facts.room.fits(sent.title, sent.text)


def _versions(ad: Ad, facts: AdFacts, frame: Frame) -> Iterator[Ad]:
    offer = facts.offered
    if SLOT not in ad.text:
        yield Ad(frame.around(ad.text, facts), ad.title)
    elif offer is not None:
        for said in ways_to_say(offer, facts.language):
            text = _BEGINS.sub(lambda m, said=said: m[1] + capital(said), ad.text).replace(SLOT, said)  # type: ignore[misc]
            yield Ad(frame.around(text, facts), ad.title)
