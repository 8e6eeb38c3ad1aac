"""Keeps control tokens in customers' texts harmless: `</s>` or `<|im_start|>` that a person typed must stay plain text.

A tokenizer turns the text of a control token into the token itself wherever it occurs. `escape` inserts an invisible
mark into control tokens inside messages, while the chat template writes its own control tokens without the mark.
`MarkedTokenizer` then reads marked ones as text and unmarked ones as tokens.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import cached_property, lru_cache
from typing import Any

from tokenizers import Tokenizer

PLAIN = "\ufdd0"  # mark inside a control token that is plain text; Unicode reserves both marks for programs
_TOKEN = "\ufdd1"  # mark before a control token that is meant as a token

_BRACKETED = re.compile(r"<.+>|\[.+\]")


class ControlTextError(ValueError):
    """A text contains a marked control token that the tokenizer cannot write as plain text."""


def control_texts(added: Iterable[Any], template: str) -> tuple[str, ...]:
    """Return the texts of a tokenizer's control tokens, the longest first.

    They are the special tokens, and other added tokens that are in brackets or occur in the chat template, such as
    `<｜User｜>` of DeepSeek and `<think>` of Qwen. Added tokens of ordinary text, such as runs of spaces, are left out.

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
    """Insert an invisible mark into each control token of a text, so that `MarkedTokenizer` reads it as plain text.

    Marks that the text already has are removed first. If `controls` is empty, the text is returned unchanged.

    Args:
        text: The text.
        controls: Texts of the control tokens, the longest first (see `control_texts`).
    """
    if not controls:
        return text
    text = text.replace(PLAIN, "").replace(_TOKEN, "")
    while _any_of(controls).search(text):  # repeated, because control tokens can overlap
        text = _any_of(controls).sub(lambda m: m[0][0] + PLAIN + m[0][1:], text)
    return text


def count(text: str, controls: tuple[str, ...]) -> int:
    """Return the number of control tokens in a text. Those that `escape` marked as plain text are not counted."""
    return len(_any_of(controls).findall(text)) if controls else 0


class MarkedTokenizer:
    """A tokenizer that reads control tokens in a text as tokens, except those that `escape` marked as plain text.

    Args:
        tokenizer: The tokenizer; its truncation and padding are turned off.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self.tokenizer = tokenizer

    def encode(self, text: str) -> list[int]:
        """Return the token ids of a text; no special tokens are added.

        Raises:
            ControlTextError: The tokenizer can write a marked control token only as that token.
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
        """The added tokens of the tokenizer by id, control tokens included."""
        return dict(self.tokenizer.get_added_tokens_decoder())

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        """A pattern that finds the text of any added token, preferring the longest."""
        return _any_of(tuple(sorted((t.content for t in self.added.values()), key=len, reverse=True)))

    @cached_property
    def _copy(self) -> tuple[Tokenizer, dict[int, int]]:
        """A copy of the tokenizer that recognises an added token only after a second, private mark.

        `encode` puts this mark before every added token that `escape` did not mark as plain text. The marked ones have
        no private mark, so the copy reads them as ordinary text.

        Returns:
            The copy, and a map from its ids of the added tokens to the ids of the original.
        """
        tree = json.loads(self.tokenizer.to_str())
        for token in tree["added_tokens"]:
            token["content"] = _TOKEN + token["content"]
        tree["post_processor"] = None  # it refers to special tokens by their text, and is not needed
        copy = Tokenizer.from_str(json.dumps(tree))
        return copy, {int(copy.token_to_id(_TOKEN + t.content)): i for i, t in self.added.items()}

    @cached_property
    def reserved(self) -> frozenset[int]:
        """Ids of the tokens that plain text must never become: all added tokens except the one for unknown text."""
        model = json.loads(self.tokenizer.to_str())["model"]
        unknown = model.get("unk_id")
        if unknown is None and model.get("unk_token"):
            unknown = self.tokenizer.token_to_id(model["unk_token"])
        return frozenset(self.added) - {unknown}


@lru_cache(maxsize=16)
def _any_of(texts: tuple[str, ...]) -> re.Pattern[str]:
    """Compile a pattern that matches any of the texts; where several match, the first in the given order wins."""
    return re.compile("|".join(map(re.escape, texts)))
