"""The planner of ads: writes ads without a model from an opener, a sentence with the product's name, facts and a call.

The opener fits the occasion (tone of the ad); the call is the call to act. In a channel no two ads of a segment have
the same text: products that share a short name are numbered (`wordings.py`), and each number selects another
combination of opener, sentence and call (`_drawn`). In the files words.<language>.yaml no opener or sentence is the
beginning of another one, so that different combinations always give different texts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import xxhash

from shopbatch.capabilities.copywriting.ads.ad import Ad, AdFacts, Frame, finished, fits_in_full
from shopbatch.capabilities.copywriting.ads.channels import channels
from shopbatch.capabilities.copywriting.ads.offers import SLOT
from shopbatch.capabilities.copywriting.ads.words import OCCASIONS, ad_words, words_digest
from shopbatch.capabilities.copywriting.copy_format import parse
from shopbatch.capabilities.copywriting.patterns import fill, patterns
from shopbatch.capabilities.copywriting.plan import plan
from shopbatch.capabilities.copywriting.product import SHELF, capital, understand
from shopbatch.grounding.lexicon import LANGUAGES

VERSION = 3  # of this module and names.py; raise it if equal facts and words give other ads
_SENTENCE = re.compile(r"[^.。!！?？]+(?:[.](?=\S)[^.。!！?？]*)*[.。!！?？]\s*")
_DETAILS = {"email_subject": 0, "push": 1, "sms": 1, "social": 3, "banner": 1}  # maximum sentences with facts
# a sentence of the description that states only facts of these roles is left out
_UNTELLING = frozenset({"brand", "measure", *SHELF})
_TWICE = re.compile(r"\b(the|our) (?:the|our) ", re.I)


@dataclass(frozen=True)
class _Drawn:
    """The words that one planned text uses.

    Attributes:
        opener: First words or the title ("Hello again!").
        sentence: Sentence with a slot for the product's name ("see the {name}").
        call: Last words ("Shop now."); "" in channels without any.
    """

    opener: str
    sentence: str
    call: str


def words_identity() -> list[str]:
    """Return the digests of the ad words of all languages; if one changes, planned ads are made again."""
    return [words_digest(language) for language in LANGUAGES]


def capacity(channel: str, language: str, variants: int) -> int:
    """Return how many products that share a short name can have distinct ads in a channel.

    Example: e-mail subjects in English with 2 variants: 30.

    Args:
        channel: Name of the channel.
        language: One of LANGUAGES.
        variants: Number of texts of each ad.
    """
    words = ad_words(language).channel(channel)
    bodies = len(words.sentences) * len(words.calls)
    if channels()[channel].title:
        return bodies // variants
    return bodies * min(len(words.openers[occasion]) for occasion in OCCASIONS) // variants


def _drawn(facts: AdFacts, number: int) -> _Drawn:
    """Select the opener, the sentence and the call of one text by its number.

    Different numbers below the capacity differ in opener, sentence or call. Neighbouring numbers usually differ in all
    three.

    Args:
        facts: The facts of the ad, of which name, channel, language and occasion are used.
        number: Number of the text among those of the short name: wording * variants + variant.
    """
    words = ad_words(facts.language).channel(facts.channel)
    openers = words.openers[facts.occasion]
    start = xxhash.xxh3_64_intdigest(f"{facts.name} {facts.channel} {facts.occasion}".encode())
    rest, sentence = divmod(number, len(words.sentences))
    turn, call = divmod(rest, len(words.calls))
    # the sentence identifies `sentence`, then the call identifies `call`, then the opener identifies `turn`
    return _Drawn(
        opener=openers[(start // 7 + turn + sentence + call) % len(openers)],
        sentence=words.sentences[(start // 3 + sentence) % len(words.sentences)],
        call=words.calls[(start + call + sentence) % len(words.calls)],
    )


def planned_ads(facts: AdFacts, variants: int, frame: Frame, details: bool = True) -> list[Ad]:
    """Return the ads of a row of `ads_with_facts` from sentence patterns, without a model; one ad per variant.

    Args:
        facts: The facts that the ads may state.
        variants: Number of variants.
        frame: Sender and opt-out text of an SMS.
        details: Whether the ads state facts of the product besides its name, where the channel has room.
    """
    return [_planned(facts, facts.wording * variants + n, frame, details) for n in range(variants)]


def _planned(facts: AdFacts, number: int, frame: Frame, details: bool) -> Ad:
    """Plan one text, with as many facts and as full an offer as the channel has room for.

    If even the shortest version is too long, it is returned nevertheless; the rules then refuse it.
    """
    drawn = _drawn(facts, number)
    name = facts.name
    slots = {"name": name, "Name": capital(name)}
    sentence = _TWICE.sub(lambda m: f"{m[1]} ", fill(drawn.sentence, slots))
    zh = facts.language == "zh"
    if facts.room.title:
        begin, title = capital(sentence), drawn.opener
    else:
        ends = drawn.opener[-1] in ".!?。！？"
        begin, title = f"{drawn.opener}{'' if zh else ' '}{capital(sentence) if ends else sentence}", ""
    if title and not facts.room.fits(title, ""):
        title = ""
    known_details = _details(facts) if details else [""]
    last = Ad(begin, title)
    for slot in _slots(facts):
        for detail in known_details:
            last = Ad(_joined(facts, [begin, detail, slot, drawn.call]), title)
            if fits_in_full(last, facts, frame):
                return last
        if finished(last, facts, frame) is not None:  # it fits with a shorter wording of the offer and without facts
            return last
    return last


def _slots(facts: AdFacts) -> list[str]:
    """Return the possible texts for the offer in an ad, the best first: a sentence with SLOT, then "" (no offer).

    It is [""] if the facts have no offer.
    """
    if facts.offer is None:
        return [""]
    words = ad_words(facts.language).offers
    pattern = words.subject if facts.channel == "email_subject" else words.sentence
    return [pattern.format(offer=SLOT), ""]


def _joined(facts: AdFacts, parts: Sequence[str]) -> str:
    """Join the non-empty parts into one text, with blanks between them except in Chinese and in e-mail subjects."""
    said = [part for part in parts if part]
    if facts.channel == "email_subject":
        return "".join(said)
    return ("" if facts.language == "zh" else " ").join(said)


def _details(facts: AdFacts) -> list[str]:
    """Return the texts about the product that an ad may contain, the longest first and "" last.

    Each text is the beginning of the product's description: n sentences, then n - 1, and so on. `_DETAILS` sets the
    maximum n for the channel.
    """
    sentences = _sentences(facts.facts, facts.language, facts.name)[: _DETAILS[facts.channel]]
    between = "" if facts.language == "zh" else " "
    return [between.join(sentences[:n]) for n in range(len(sentences), -1, -1)]


@lru_cache(maxsize=4_096)
def _sentences(stored: str, language: str, name: str) -> tuple[str, ...]:
    """Return the sentences of the product's planned description that state more than its name and brand; cached.

    Args:
        stored: The product's attributes, as JSON.
        language: One of LANGUAGES.
        name: The product's short name.
    """
    copy = parse(plan(json.loads(stored), language))
    known = [m[0].strip() for m in _SENTENCE.finditer(copy.description)] if copy else []
    goods = understand(json.loads(stored), language)
    telling = [f for f in goods.facts if f.role not in _UNTELLING]
    names = f"{goods.name}\n{name}".casefold()
    values = [f.value for f in telling if f.value.casefold() not in names]
    return tuple(s for s in known if s not in _closings(language) and any(value in s for value in values))


@lru_cache(maxsize=2)
def _closings(language: str) -> frozenset[str]:
    """Return the closing sentences of product copy, which state no fact and so are left out of ads."""
    kinds = patterns(language).kinds.values()
    return frozenset(s for kind in kinds for tone in kind.closings.values() for s in tone)
