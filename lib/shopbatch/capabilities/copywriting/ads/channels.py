"""The channels of ads (e-mail subject, push, SMS, social, banner) and their limits (channels.yaml)."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from shopbatch.tables.ads import AD_CHANNELS
from shopbatch.text.lengths import columns, graphemes, has_emoji, sms
from shopbatch.text.word_files import WordFile, read_words

PACKAGE = "shopbatch.capabilities.copywriting.ads"


class Channel(WordFile):
    """The limits of one channel; channels.yaml explains the fields, too.

    Attributes:
        title: Maximum length of the title, in columns if `unit` is columns, else in graphemes; 0: the channel has no
            title.
        text: Maximum length of the text in `unit`.
        unit: columns (a Chinese character takes two), graphemes (characters as a reader counts them), or sms (parts of
            a message).
        shown: Columns of the text that a small display shows; 0: all.
        emoji: Whether emoji are allowed.
        lines: Maximum number of lines of the text.
        name_room: Maximum columns of the product's name in a planned text, by language.
    """

    title: int
    text: int
    unit: Literal["columns", "graphemes", "sms"]
    shown: int
    emoji: bool
    lines: int
    name_room: dict[str, int]

    def length(self, text: str) -> int:
        """Return the length of a text in the channel's unit.

        The length of an SMS is its number of septets, or of UTF-16 units if it has characters outside the GSM-7
        alphabet.
        """
        if self.unit == "sms":
            return sms(text).units
        return columns(text) if self.unit == "columns" else graphemes(text)

    def fits(self, title: str, text: str) -> bool:
        """Return True if title and text are within the channel's limits."""
        size = sms(text).parts if self.unit == "sms" else self.length(text)
        title_size = columns(title) if self.unit == "columns" else graphemes(title)
        return size <= self.text and title_size <= self.title and text.count("\n") < self.lines and "\n" not in title

    def allows(self, text: str) -> bool:
        """Return False if a text has emoji and the channel allows none."""
        return self.emoji or not has_emoji(text)


class _ChannelsFile(WordFile):
    """The content of channels.yaml."""

    channels: dict[str, Channel]


@lru_cache(maxsize=1)
def channels() -> dict[str, Channel]:
    """Load channels.yaml and return {name of the channel: its limits} for all channels; cached."""
    listed = read_words(_ChannelsFile, PACKAGE, "channels.yaml").channels
    return {name: listed[name] for name in AD_CHANNELS}
