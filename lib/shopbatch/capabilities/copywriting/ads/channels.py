"""The channels that ads go out by, and what each has room for (channels.yaml)."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from shopbatch.tables.ads import AD_CHANNELS
from shopbatch.text.lengths import columns, graphemes, has_emoji, sms
from shopbatch.text.word_files import WordFile, read_words

PACKAGE = "shopbatch.capabilities.copywriting.ads"


class Channel(WordFile):
    """What a channel has room for; the fields are explained in channels.yaml."""

    title: int
    text: int
    unit: Literal["columns", "graphemes", "sms"]
    shown: int
    emoji: bool
    lines: int
    name_room: dict[str, int]

    def length(self, text: str) -> int:
        """The length of a text in the channel's unit; of an SMS its septets or UTF-16 units."""
        if self.unit == "sms":
            return sms(text).units
        return columns(text) if self.unit == "columns" else graphemes(text)

    def fits(self, title: str, text: str) -> bool:
        """Whether an ad is within the channel's limits."""
        size = sms(text).parts if self.unit == "sms" else self.length(text)
        title_size = columns(title) if self.unit == "columns" else graphemes(title)
        return size <= self.text and title_size <= self.title and text.count("\n") < self.lines and "\n" not in title

    def allows(self, text: str) -> bool:
        """Whether a text has no sign that the channel does not allow."""
        return self.emoji or not has_emoji(text)


class _ChannelsFile(WordFile):
    channels: dict[str, Channel]


@lru_cache(maxsize=1)
def channels() -> dict[str, Channel]:
    """Read channels.yaml: all channels by name."""
    listed = read_words(_ChannelsFile, PACKAGE, "channels.yaml").channels
    return {name: listed[name] for name in AD_CHANNELS}
