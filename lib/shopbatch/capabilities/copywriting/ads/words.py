"""Loads the words of planned ads (words.<language>.yaml) and the tone of each segment (segments.yaml)."""

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
    """The words of planned ads in one channel.

    Attributes:
        openers: {occasion: first words of the text}; in channels with titles they are the title.
        sentences: Sentences with a slot for the product's name.
        calls: Last words, the call to act.
    """

    openers: dict[str, tuple[str, ...]]
    sentences: tuple[str, ...]
    calls: tuple[str, ...]


class OfferWords(WordFile):
    """Patterns that put an offer into words.

    Attributes:
        discount: A reduction of whole per cent; {tenths} is the remaining price in tenths (Chinese 8折).
        odd_discount: A reduction with a fraction of a per cent.
        price: A price.
        price_former: A price with the former price.
        discount_price: A reduction with the price.
        discount_former: A reduction with price and former price.
        none: An offer without price and reduction.
        code: The code to enter.
        until: The last day.
        short_terms: Text that says that terms apply, without naming them.
        joiner: Text between price, code and last day, such as a blank.
        subject: How the offer continues an e-mail subject (" - {offer}").
        sentence: The offer as a sentence.
        date: A day, with {month} or {number}, and {day}.
        months: Names of the months, from January.
        money: A sum in a currency of `symbols`.
        plain_money: A sum in any other currency.
        symbols: Currency symbol by ISO 4217 code.
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
    """The text that surrounds every SMS.

    Attributes:
        sender: Pattern of the first words, with {shop}; left out if no shop name is configured.
        stop: Text that tells how to opt out.
    """

    sender: str
    stop: str


class AdWords(WordFile):
    """All words of planned ads in one language: by channel, for offers, and around an SMS."""

    email_subject: ChannelWords
    push: ChannelWords
    sms: ChannelWords
    social: ChannelWords
    banner: ChannelWords
    offers: OfferWords
    sms_frame: SmsFrame

    def channel(self, name: str) -> ChannelWords:
        """Return the words of a channel."""
        words: ChannelWords = getattr(self, name)
        return words


class _SegmentsFile(WordFile):
    """The content of segments.yaml.

    Attributes:
        default: Occasion (tone of the ads) of segments that are not listed.
        occasions: {occasion: names of its segments}.
    """

    default: str
    occasions: dict[str, tuple[str, ...]]


@lru_cache(maxsize=len(LANGUAGES))
def ad_words(language: str) -> AdWords:
    """Load the words of one of LANGUAGES; cached."""
    return read_words(AdWords, PACKAGE, f"words.{language}.yaml")


@lru_cache(maxsize=len(LANGUAGES))
def words_digest(language: str) -> str:
    """Return the digest of all words of a language; if it changes, planned ads are made again."""
    return digest(ad_words(language).model_dump(mode="json"))


def occasion_of(segment: str) -> str:
    """Return the occasion (tone of the ad) that belongs to a segment's name: "at_risk" -> "return".

    Unknown names have the default occasion of segments.yaml.
    """
    listed = _segments()
    return next((o for o, names in listed.occasions.items() if segment in names), listed.default)


@lru_cache(maxsize=1)
def _segments() -> _SegmentsFile:
    """Load segments.yaml; cached."""
    return read_words(_SegmentsFile, PACKAGE, "segments.yaml")


@lru_cache(maxsize=len(LANGUAGES))
def said_in_ads(language: str) -> Phrases:
    """Return the fixed texts of planned ads and planned copy as phrases that the grounding check always allows.

    They are empty for languages without words for ads.
    """
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
