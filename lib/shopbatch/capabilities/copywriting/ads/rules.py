"""Judges the ads of a row of `ads_with_facts` by rules and names the first rule that one of them breaks.

The same rules apply to planned and to generated ads.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shopbatch.capabilities.copywriting.ads.ad import Ad, AdFacts, Frame, finished
from shopbatch.capabilities.copywriting.ads.market_rules import banned_claims, offer_words
from shopbatch.capabilities.copywriting.ads.offers import SLOT
from shopbatch.capabilities.copywriting.ads.words import said_in_ads
from shopbatch.capabilities.copywriting.rules import is_in_other_language, is_printable, leaks
from shopbatch.grounding.check import Finding, check
from shopbatch.text.moderation.generated import is_harmful

VERSION = 1  # of the rules; raising it judges the stored texts again
SCHEMA = json.dumps({
    "type": "object",
    "properties": {
        "ads": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"title": {"type": "string"}, "text": {"type": "string"}},
                "required": ["text"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["ads"],
    "additionalProperties": False,
})  # fmt: skip


class _ModelAd(BaseModel):
    """One ad as a generator writes it in its answer, before the offer is put in."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    title: str = ""
    text: str = Field(min_length=1)


class _Answer(BaseModel):
    """A generator's answer: the ads of a row."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ads: tuple[_ModelAd, ...]


@dataclass(frozen=True)
class Verdict:
    """The result of judging the ads of a row.

    Attributes:
        ads: The ads as they are sent, by variant; empty if the row is refused. If only some planned variants are
            refused, their elements are None.
        reason: Name of the rule that an ad breaks; None if the row passes.
        findings: Claims that the product's attributes do not back.
    """

    ads: tuple[Ad | None, ...] = ()
    reason: str | None = None
    findings: tuple[Finding, ...] = ()


def parse(text: str) -> list[Ad] | None:
    """Parse a generator's answer into ads; None if it is no JSON object that fits SCHEMA."""
    start, end = text.find("{"), text.rfind("}")
    try:
        answer = _Answer.model_validate(json.loads(text[start : end + 1], strict=False))
    except (ValueError, ValidationError, RecursionError):
        return None
    return [Ad(ad.text.strip(), ad.title.strip()) for ad in answer.ads]


@dataclass(frozen=True)
class Judge:
    """Applies all rules to the ads of a row.

    Attributes:
        variants: Number of ads that a row must have.
        frame: Sender and opt-out text of an SMS.
        allowed: Words that ads may use although they are on the list of harmful words.
        instructions: {language: system message of the prompt}, which ads must not repeat; None: this is not checked.
    """

    variants: int
    frame: Frame
    allowed: tuple[str, ...] = ()
    instructions: Mapping[str, str] | None = None

    def answer(self, text: str, finish: str, facts: AdFacts) -> Verdict:
        """Judge a generator's answer.

        First checks the form of the answer (reasons cut_off, invalid_json, too_few_variants, offer_slot, untitled,
        leaked_prompt), then judges its ads as `__call__` does.

        Args:
            text: The answer.
            finish: How the generator ended: "stop" or "length".
            facts: The facts of the ads.
        """
        ads = parse(text)
        if ads is None:
            return Verdict(reason="cut_off" if finish == "length" else "invalid_json")
        ads = ads[: self.variants]
        if len(ads) < self.variants:
            return Verdict(reason="too_few_variants")
        wanted = 0 if facts.offer is None else 1
        if any(ad.text.count(SLOT) != wanted or SLOT in ad.title for ad in ads):
            return Verdict(reason="offer_slot")
        if not facts.room.title:
            ads = [Ad(ad.text) for ad in ads]
        elif not all(ad.title for ad in ads):
            return Verdict(reason="untitled")
        instruction = (self.instructions or {}).get(facts.language, "")
        if instruction and any(leaks(instruction, ad.whole, facts.language) for ad in ads):
            return Verdict(reason="leaked_prompt")
        return self(ads, facts)

    def __call__(self, ads: Sequence[Ad], facts: AdFacts) -> Verdict:
        """Judge ads, planned or generated, and return them as they are sent if all pass.

        The reasons: too_long; those of `_reason`; ungrounded_<kind of claim>; repeats (two variants have equal texts).

        Args:
            ads: The ads, with SLOT in place of the offer.
            facts: The facts of the ads.
        """
        sent = []
        for ad in ads:
            whole = finished(ad, facts, self.frame)
            if whole is None:
                return Verdict(reason="too_long")
            if reason := self._reason(ad, whole, facts):
                return Verdict(reason=reason)
            if findings := check(facts.known, ad.without_offer, facts.language, (), said_in_ads(facts.language)):
                return Verdict(reason=f"ungrounded_{findings[0].kind}", findings=tuple(findings))
            sent.append(whole)
        if len({ad.text.casefold() for ad in sent}) < len(sent):
            return Verdict(reason="repeats")
        return Verdict(tuple(sent))

    def _reason(self, ad: Ad, sent: Ad, facts: AdFacts) -> str | None:
        """Return the first rule that one ad breaks; None if it breaks none. `__call__` checks for unbacked claims.

        The reasons: unprintable, emoji, unnamed, harmful, other_language, banned_<rule of the market>,
        ungrounded_offer.

        Args:
            ad: The ad, with SLOT in place of its offer.
            sent: The ad as it is sent.
            facts: The facts of the ad.
        """
        shown = sent.whole
        if not is_printable(shown):
            return "unprintable"
        if not facts.room.allows(shown):
            return "emoji"
        if facts.name.casefold() not in ad.text.casefold():
            return "unnamed"
        if is_harmful(ad.without_offer, self.allowed, f"{facts.known.text}\n{facts.known.names}"):
            return "harmful"
        if is_in_other_language(ad.without_offer, facts.language, facts.known):
            return "other_language"
        offer = facts.offered if SLOT in ad.text else None
        for broken in banned_claims(shown, facts.market, facts.language, facts.known, offer):
            return f"banned_{broken.rule}"
        return "ungrounded_offer" if any(offer_words(ad.without_offer, facts.language, facts.known)) else None
