"""Control tokens in texts of people: `</s>` or `<|im_start|>` that a customer types is text, and never a token.

A tokenizer reads the text of such a token as the token itself, wherever it stands. `escape` puts an invisible mark into
control tokens inside a text; the chat template writes its own ones without it; `MarkedTokenizer` tells them apart.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import cached_property, lru_cache
from typing import Any

from tokenizers import Tokenizer

PLAIN = "\ufdd0"  # inside a control token: this one is text. Unicode reserves this and the next for programs
_TOKEN = "\ufdd1"  # before a control token: this one is the token

_BRACKETED = re.compile(r"<.+>|\[.+\]")


class ControlTextError(ValueError):
    """The text holds what the model would read as a control token, so it cannot be given as plain text."""


def control_texts(added: Iterable[Any], template: str) -> tuple[str, ...]:
    """Return the texts of the control tokens, the longest first.

    They are the special tokens, and other added tokens that are in brackets or named by the chat template, such as
    `<｜User｜>` of DeepSeek and `<think>` of Qwen. Added tokens of ordinary text (runs of spaces) are none.

    Args:
        added: The added tokens of a tokenizer.
        template: Source of its chat template; "" if it has none.
    """
    texts = {
        t.content
        for t in added
        if len(t.content.strip()) > 1 and (t.special or t.content in template or _BRACKETED.fullmatch(t.content))
    }
    return tuple(sorted(texts, key=lambda t: (-len(t), t)))


def escape(text: str, controls: tuple[str, ...]) -> str:
    """Return the text with a mark inside each control token; a text without one is returned as it is."""
    if not controls:
        return text
    text = text.replace(PLAIN, "").replace(_TOKEN, "")
    while _any_of(controls).search(text):  # once is not enough where two of them overlap
        text = _any_of(controls).sub(lambda m: m[0][0] + PLAIN + m[0][1:], text)
    return text


def count(text: str, controls: tuple[str, ...]) -> int:
    """Return how many control tokens a text holds, escaped ones not counted."""
    return len(_any_of(controls).findall(text)) if controls else 0


class MarkedTokenizer:
    """A tokenizer that reads the control tokens of a text as tokens, except those that `escape` has marked."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self.tokenizer = tokenizer

    def encode(self, text: str) -> list[int]:
        """Return the token ids of a text; no special tokens are added.

        Raises:
            ControlTextError: The tokenizer has no other way to write a marked control token than the token itself.
        """
        if PLAIN not in text:
            return list(self.tokenizer.encode(text, add_special_tokens=False).ids)
        copy, ids = self._copy
        tokens = self._pattern.sub(lambda m: _TOKEN + m[0], text).replace(PLAIN, "")
        written = copy.encode(tokens, add_special_tokens=False).ids
        if any(i not in ids and i in self.reserved for i in written):
            raise ControlTextError("a control token cannot be written as text by this tokenizer")
        return [ids.get(i, i) for i in written]

    @cached_property
    def added(self) -> Mapping[int, Any]:
        """The added tokens by id; control tokens are among them."""
        return dict(self.tokenizer.get_added_tokens_decoder())

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return _any_of(tuple(sorted((t.content for t in self.added.values()), key=len, reverse=True)))

    @cached_property
    def _copy(self) -> tuple[Tokenizer, dict[int, int]]:
        """The tokenizer with a mark before the text of each added token, and its ids of them -> the tokenizer's own."""
        tree = json.loads(self.tokenizer.to_str())
        for token in tree["added_tokens"]:
            token["content"] = _TOKEN + token["content"]
        tree["post_processor"] = None  # it names special tokens, and would only add some
        copy = Tokenizer.from_str(json.dumps(tree))
        return copy, {int(copy.token_to_id(_TOKEN + t.content)): i for i, t in self.added.items()}

    @cached_property
    def reserved(self) -> frozenset[int]:
        """Ids of the added tokens, except the one for what is not in the vocabulary."""
        model = json.loads(self.tokenizer.to_str())["model"]
        unknown = model.get("unk_id")
        if unknown is None and model.get("unk_token"):
            unknown = self.tokenizer.token_to_id(model["unk_token"])
        return frozenset(self.added) - {unknown}


@lru_cache(maxsize=16)
def _any_of(texts: tuple[str, ...]) -> re.Pattern[str]:
    """Match one of the texts, the longest of those that begin at a place, if they are in that order."""
    return re.compile("|".join(map(re.escape, texts)))
