"""How planned ads are said (words.<language>.yaml), and what a segment's name says about the tone (segments.yaml)."""

from __future__ import annotations

from functools import lru_cache

from pydantic import Field

from shopbatch.capabilities.copywriting.ads.channels import PACKAGE
from shopbatch.capabilities.copywriting.patterns import phrases, phrases_of
from shopbatch.core.hashing import digest
from shopbatch.grounding.allowed import NO_PHRASES, Phrases
from shopbatch.grounding.lexicon import LANGUAGES
from shopbatch.text.word_files import WordFile, read_words

OCCASIONS = ("welcome", "thanks", "return", "browse")


class ChannelWords(WordFile):
    """The words of one channel.

    Attributes:
        openers: First words by occasion; the title, where the channel has one.
        sentences: What names the product.
        calls: Last words.
    """

    openers: dict[str, tuple[str, ...]]
    sentences: tuple[str, ...]
    calls: tuple[str, ...]


class OfferWords(WordFile):
    """How an offer is said.

    Attributes:
        discount, odd_discount: A reduction, of whole per cent ({tenths}: what is left, in tenths) and of others.
        price, price_former, discount_price, discount_former, none: What is offered; `none` names neither.
        code, until, short_terms: What follows, put together with `joiner`.
        subject, sentence: The whole, behind a subject and as a sentence.
        date: A day, with {month} or {number}, and {day}. months: by number.
        money: A sum in a currency of `symbols`; plain_money: in any other.
    """

    discount: str
    odd_discount: str
    price: str
    price_former: str
    discount_price: str
    discount_former: str
    none: str
    code: str
    until: str
    short_terms: str
    joiner: str
    subject: str
    sentence: str
    date: str
    months: tuple[str, ...] = Field(min_length=12, max_length=12)
    money: str
    plain_money: str
    symbols: dict[str, str]


class SmsFrame(WordFile):
    """What stands around every SMS: sender, if the shop's name is configured, and how to opt out."""

    sender: str
    stop: str


class AdWords(WordFile):
    """The words of a language."""

    email_subject: ChannelWords
    push: ChannelWords
    sms: ChannelWords
    social: ChannelWords
    banner: ChannelWords
    offers: OfferWords
    sms_frame: SmsFrame

    def channel(self, name: str) -> ChannelWords:
        """The words of a channel."""
        words: ChannelWords = getattr(self, name)
        return words


class _SegmentsFile(WordFile):
    default: str
    occasions: dict[str, tuple[str, ...]]


@lru_cache(maxsize=len(LANGUAGES))
def ad_words(language: str) -> AdWords:
    """The words of one of LANGUAGES."""
    return read_words(AdWords, PACKAGE, f"words.{language}.yaml")


@lru_cache(maxsize=len(LANGUAGES))
def words_digest(language: str) -> str:
    """Digest of all words of a language."""
    return digest(ad_words(language).model_dump(mode="json"))


def occasion_of(segment: str) -> str:
    """The occasion of a segment: what its name says about the tone."""
    listed = _segments()
    return next((o for o, names in listed.occasions.items() if segment in names), listed.default)


@lru_cache(maxsize=1)
def _segments() -> _SegmentsFile:
    return read_words(_SegmentsFile, PACKAGE, "segments.yaml")


@lru_cache(maxsize=len(LANGUAGES))
def said_in_ads(language: str) -> Phrases:
    """What planned ads and planned copy say around facts: phrases that may be said as a whole, for the check."""
    if language not in LANGUAGES:
        return NO_PHRASES
    words = ad_words(language)
    texts: list[str] = []
    for name in AdWords.model_fields:
        channel = getattr(words, name)
        if isinstance(channel, ChannelWords):
            texts += [o for openers in channel.openers.values() for o in openers]
            texts += [*channel.sentences, *channel.calls]
    own, copy = phrases_of(texts, language), phrases(language)
    by_kind = dict(copy.by_kind) | {"": copy.by_kind[""] | own}
    return Phrases(by_kind, max(copy.longest, *(len(key) for key in own)))
