"""The classes `AdFacts` (what an ad may state), `Ad` and `Frame` (sender and opt-out text of an SMS).

`finished` puts the offer into an ad and checks its length. Used by the planner, the rules and the stage of write_ads.
"""

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

# columns of `ads_with_facts` that an ad depends on
CONTENT = ("occasion", "channel", "language", "market", "name", "wording", "facts", "offer")
MODEL_PARTS = ("title", "text")
_BEGINS = re.compile(rf"(^|[.!?。！？]\s*|\n){re.escape(SLOT)}")


@dataclass(frozen=True)
class AdFacts:
    """The facts that one ad may state: the columns of a row of `ads_with_facts`.

    Attributes:
        occasion: Tone of the ad, one of `words.OCCASIONS`.
        channel: Name of the channel.
        language: ISO 639 code of the ad.
        market: Code of the country whose advertising rules apply.
        name: Short name of the product, which every text must contain.
        wording: Number of the product among the products with the same short name, from 0. It selects the sentences of
            planned ads, so that these products get different texts.
        facts: The product's attributes, as JSON.
        offer: The offer, as JSON; None if there is none.
    """

    occasion: str
    channel: str
    language: str
    market: str
    name: str
    wording: int
    facts: str
    offer: str | None = None

    def stored(self) -> str:
        """Encode the facts as JSON for the memo."""
        return json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def of(cls, text: str) -> AdFacts:
        """Decode the facts of an ad from the JSON text that `stored` produced."""
        return cls(**json.loads(text))

    @property
    def attributes(self) -> Mapping[str, str | None]:
        """Return the product's attributes as {name: value}."""
        return dict(json.loads(self.facts))

    @cached_property
    def known(self) -> Facts:
        """Return the attributes as the `Facts` object that the grounding check compares claims with; cached."""
        return Facts(self.attributes)

    @property
    def offered(self) -> Offer | None:
        """Return the offer; None if there is none."""
        return Offer.of(self.offer)

    @property
    def room(self) -> Channel:
        """Return the limits of the channel."""
        return channels()[self.channel]


@dataclass(frozen=True)
class Ad:
    """One text of an ad.

    Attributes:
        text: The text. It may contain SLOT ("{offer}") once; `finished` replaces SLOT by the offer in words.
        title: The title; "" in channels without titles.
    """

    text: str
    title: str = ""

    @property
    def whole(self) -> str:
        """Return the title and the text on separate lines; only the text if there is no title."""
        return f"{self.title}\n{self.text}" if self.title else self.text

    @property
    def without_offer(self) -> str:
        """Return title and text without SLOT, for checks of the words around the offer."""
        return re.sub(r"[ \t]+", " ", self.whole.replace(SLOT, " "))


@dataclass(frozen=True)
class Frame:
    """The text that surrounds every SMS.

    Attributes:
        shop: Name of the shop, which begins the SMS as its sender; "": none.
        opt_out: Whether the SMS ends with how to opt out.
        identity: Both values, for the digest of the checks.
    """

    shop: str = ""
    opt_out: bool = True
    identity: tuple[str, bool] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "identity", (self.shop, self.opt_out))

    def around(self, text: str, facts: AdFacts) -> str:
        """Return the text of an ad as the channel sends it.

        An SMS gets the sender and the opt-out text; an English one is also converted to the GSM-7 alphabet. Texts of
        other channels are returned unchanged.

        Args:
            text: The text of the ad.
            facts: The facts of the ad, of which the channel and the language are used.
        """
        if facts.channel != "sms" or facts.language not in LANGUAGES:
            return text
        words = ad_words(facts.language).sms_frame
        sender = words.sender.format(shop=self.shop) if self.shop else ""
        sent = f"{sender}{text}{words.stop if self.opt_out else ''}"
        return sent if facts.language == "zh" else to_gsm(sent)


def read_content(content: pa.Table) -> list[AdFacts]:
    """Parse a batch with the columns of CONTENT into AdFacts, one per row."""
    return [AdFacts(**row) for row in content.select(CONTENT).to_pylist()]


def finished(ad: Ad, facts: AdFacts, frame: Frame) -> Ad | None:
    """Return the ad as it is sent, with its offer in the most detailed form that fits the channel.

    Args:
        ad: The ad, with SLOT in place of its offer.
        facts: The facts of the ad, with the offer.
        frame: Sender and opt-out text of an SMS.

    Returns:
        The ad; None if it is too long even with the shortest form of the offer.
    """
    return next((sent for sent in _versions(ad, facts, frame) if facts.room.fits(sent.title, sent.text)), None)


def fits_in_full(ad: Ad, facts: AdFacts, frame: Frame) -> bool:
    """Return True if the ad fits the channel with its offer in the most detailed form.

    Args:
        ad: The ad, with SLOT in place of its offer.
        facts: The facts of the ad, with the offer.
        frame: Sender and opt-out text of an SMS.
    """
    sent = next(_versions(ad, facts, frame), None)
    return sent is not None and facts.room.fits(sent.title, sent.text)


def _versions(ad: Ad, facts: AdFacts, frame: Frame) -> Iterator[Ad]:
    """Yield the ad as it would be sent, once for each form of its offer, the most detailed first.

    An ad without SLOT is yielded once. An ad with SLOT yields nothing if its facts have no offer.
    """
    offer = facts.offered
    if SLOT not in ad.text:
        yield Ad(frame.around(ad.text, facts), ad.title)
    elif offer is not None:
        for said in ways_to_say(offer, facts.language):
            text = _BEGINS.sub(lambda m, said=said: m[1] + capital(said), ad.text).replace(SLOT, said)  # type: ignore[misc]
            yield Ad(frame.around(text, facts), ad.title)
