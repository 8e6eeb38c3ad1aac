"""Builds the prompt for generated ads: the product's attributes, the channel's limits and the occasion.

It contains nothing about any person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from shopbatch.capabilities.copywriting.ads.ad import AdFacts, Frame
from shopbatch.capabilities.copywriting.ads.channels import PACKAGE
from shopbatch.capabilities.copywriting.ads.offers import SLOT
from shopbatch.capabilities.copywriting.prompt import fenced
from shopbatch.grounding.lexicon import LANGUAGES
from shopbatch.text.lengths import sms
from shopbatch.text.word_files import WordFile, read_words

_OFFER_ROOM = 40  # characters that are reserved for the offer; half of it for Chinese


class _Asked(WordFile):
    """The texts of prompt.yaml in one language; the file explains the fields."""

    channels: dict[str, str]
    occasions: dict[str, str]
    task: str
    title: str
    no_title: str
    offer: str
    no_offer: str


class _AskedFile(WordFile):
    """The content of prompt.yaml."""

    en: _Asked
    zh: _Asked


@lru_cache(maxsize=len(LANGUAGES))
def _asked(language: str) -> _Asked:
    """Load the texts of prompt.yaml in one of LANGUAGES; cached."""
    asked: _Asked = getattr(read_words(_AskedFile, PACKAGE, "prompt.yaml"), language)
    return asked


@dataclass(frozen=True)
class AdPrompt:
    """Builds the chat messages for an ad.

    Attributes:
        instructions: {language: system message}.
        variants: Number of ads to ask for.
        frame: Sender and opt-out text of an SMS, which leave less room for the text.
    """

    instructions: Mapping[str, str]
    variants: int
    frame: Frame

    def messages(self, facts: AdFacts) -> list[dict[str, str]]:
        """Return the chat messages that ask for the ads of one row of `ads_with_facts`.

        The first message is equal for all ads of a language, so that an engine can cache it.
        """
        return [
            {"role": "system", "content": self.instructions[facts.language]},
            {"role": "user", "content": f"{fenced(facts.attributes)}\n{self._task(facts)}"},
        ]

    def _task(self, facts: AdFacts) -> str:
        """Return the task for the model: number of variants, channel, tone, name, and maximum lengths in characters."""
        words, channel = _asked(facts.language), facts.room
        per_column = 2 if facts.language == "zh" and channel.unit == "columns" else 1
        room = channel.text // per_column
        if channel.unit == "sms":
            empty = self.frame.around("" if facts.language != "zh" else "您", facts)
            room = (160 if sms(empty).encoding == "GSM-7" else 70) - sms(empty).units
        room -= 0 if facts.offer is None else _OFFER_ROOM // (2 if facts.language == "zh" else 1)
        return " ".join([
            words.task.format(
                channel=words.channels[facts.channel],
                occasion=words.occasions[facts.occasion],
                variants=self.variants,
                name=facts.name,
                room=max(room, 20),
            ),
            words.title.format(room=channel.title // per_column) if channel.title else words.no_title,
            words.no_offer if facts.offer is None else words.offer.format(slot=SLOT),
        ])  # fmt: skip
