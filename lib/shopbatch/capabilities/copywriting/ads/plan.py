"""Writes ads by plan: an opener for the occasion, a sentence that names the product, facts, the offer, and a call.

No two ads of a segment have the same text. Each product has a number of its own, its wording, among the products of the
same short name; a wording and a variant draw an opener, a sentence and a call that no other draws (`_Drawn`). The words
of words.<language>.yaml are such that other openers or sentences begin another text.
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

VERSION = 3  # of what this module and names.py make of facts and words
_SENTENCE = re.compile(r"[^.。!！?？]+(?:[.](?=\S)[^.。!！?？]*)*[.。!！?？]\s*")
_DETAILS = {"email_subject": 0, "push": 1, "sms": 1, "social": 3, "banner": 1}  # sentences of facts, at most
# roles of facts for which alone no sentence of a description is told
_UNTELLING = frozenset({"brand", "measure", *SHELF})
_TWICE = re.compile(r"\b(the|our) (?:the|our) ", re.I)


@dataclass(frozen=True)
class _Drawn:
    """The words of one text."""

    opener: str
    sentence: str
    call: str


def words_identity() -> list[str]:
    """Digests of all words, by language."""
    return [words_digest(language) for language in LANGUAGES]


def capacity(channel: str, language: str, variants: int) -> int:
    """Wordings that products of one name can have in a channel, each with so many variants."""
    words = ad_words(language).channel(channel)
    bodies = len(words.sentences) * len(words.calls)
    if channels()[channel].title:
        return bodies // variants
    return bodies * min(len(words.openers[occasion]) for occasion in OCCASIONS) // variants


def _drawn(facts: AdFacts, number: int) -> _Drawn:
    """Draw words: other numbers below the capacity give another sentence, call or opener, and neighbours all three."""
    words = ad_words(facts.language).channel(facts.channel)
    openers = words.openers[facts.occasion]
    start = xxhash.xxh3_64_intdigest(f"{facts.name} {facts.channel} {facts.occasion}".encode())
    rest, sentence = divmod(number, len(words.sentences))
    turn, call = divmod(rest, len(words.calls))
    # with the sentence known, the call tells `call`, and with both the opener tells `turn`: no two numbers agree
    return _Drawn(
        opener=openers[(start // 7 + turn + sentence + call) % len(openers)],
        sentence=words.sentences[(start // 3 + sentence) % len(words.sentences)],
        call=words.calls[(start + call + sentence) % len(words.calls)],
    )


def planned_ads(facts: AdFacts, variants: int, frame: Frame, details: bool = True) -> list[Ad]:
    """The ads of a row, one a variant.

    Args:
        facts: What they may state.
        variants: How many there are.
        frame: What stands around an SMS.
        details: Whether facts of the product are told where there is room.
    """
    return [_planned(facts, facts.wording * variants + n, frame, details) for n in range(variants)]


def _planned(facts: AdFacts, number: int, frame: Frame, details: bool) -> Ad:
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
        if finished(last, facts, frame) is not None:  # the offer in a short wording, and no facts
            return last
    return last


def _slots(facts: AdFacts) -> list[str]:
    """The slot of the offer as it stands in the text, then nothing."""
    if facts.offer is None:
        return [""]
    words = ad_words(facts.language).offers
    pattern = words.subject if facts.channel == "email_subject" else words.sentence
    return [pattern.format(offer=SLOT), ""]


def _joined(facts: AdFacts, parts: Sequence[str]) -> str:
    """The parts in one text: lines on channels that have room for them, else one line."""
    said = [part for part in parts if part]
    if facts.channel == "email_subject":
        return "".join(said)
    return ("" if facts.language == "zh" else " ").join(said)


def _details(facts: AdFacts) -> list[str]:
    """What may be told of the product beside its name: from as many sentences as the channel takes to none."""
    sentences = _sentences(facts.facts, facts.language, facts.name)[: _DETAILS[facts.channel]]
    between = "" if facts.language == "zh" else " "
    return [between.join(sentences[:n]) for n in range(len(sentences), -1, -1)]


@lru_cache(maxsize=4_096)
def _sentences(stored: str, language: str, name: str) -> tuple[str, ...]:
    """The sentences of the product's planned description that say more than its names and brand."""
    copy = parse(plan(json.loads(stored), language))
    known = [m[0].strip() for m in _SENTENCE.finditer(copy.description)] if copy else []
    goods = understand(json.loads(stored), language)
    telling = [f for f in goods.facts if f.role not in _UNTELLING]
    names = f"{goods.name}\n{name}".casefold()
    values = [f.value for f in telling if f.value.casefold() not in names]
    return tuple(s for s in known if s not in _closings(language) and any(value in s for value in values))


@lru_cache(maxsize=2)
def _closings(language: str) -> frozenset[str]:
    """Last sentences of product copy, which state no fact."""
    kinds = patterns(language).kinds.values()
    return frozenset(s for kind in kinds for tone in kind.closings.values() for s in tone)
