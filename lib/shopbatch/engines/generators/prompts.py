"""Tokenises prompts and turns generated tokens into answers, in the same way for every generator backend."""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from shopbatch.engines.base import EngineError, Finish, Generated
from shopbatch.engines.configs import Sampling
from shopbatch.models import json_files
from shopbatch.models.control_tokens import PLAIN, ControlTextError, MarkedTokenizer
from shopbatch.models.loading import load_tokenizer, model_config, token_limit


class Prompts:
    """The tokenizer of one model folder, with the model's token limit and the tokens that end an answer.

    Attributes:
        ends: Ids of the tokens that end an answer.
        limit: Maximum number of tokens of a prompt and its answer together.
        pad: Id of the padding token.
    """

    def __init__(self, folder: Path) -> None:
        config = model_config(folder)
        self.tokenizer = load_tokenizer(folder)
        self._marked = MarkedTokenizer(self.tokenizer)
        self.limit = token_limit(folder, config)
        defaults = _generation_config(folder)
        ends = defaults.get("eos_token_id", config.get("eos_token_id"))
        pad = defaults.get("pad_token_id", config.get("pad_token_id"))
        self.ends = [int(i) for i in (ends if isinstance(ends, list) else [ends]) if i is not None]
        self.pad = int(pad) if pad is not None else self.ends[0] if self.ends else 0

    def read(self, prompts: Sequence[str], max_new_tokens: int) -> list[list[int]]:
        """Return the token ids of each prompt.

        Control tokens that `control_tokens.escape` marked as plain text become ordinary tokens.

        Args:
            prompts: Texts as `Generator.render` returns them.
            max_new_tokens: Maximum number of tokens of an answer.

        Raises:
            EngineError: A prompt is empty, is too long together with `max_new_tokens`, or holds a marked control token
                that the tokenizer cannot write as text.
        """
        rows = [e.ids for e in self.tokenizer.encode_batch_fast(list(prompts), add_special_tokens=False)]
        for number, prompt in enumerate(prompts):
            if PLAIN in prompt:
                try:
                    rows[number] = self._marked.encode(prompt)
                except ControlTextError as error:
                    raise EngineError(str(error)) from None
        for row in rows:
            if not row:
                raise EngineError("a prompt is empty")
            if len(row) + max_new_tokens > self.limit:
                needed = f"a prompt has {len(row)} tokens; with {max_new_tokens} new ones"
                raise EngineError(f"{needed} that is more than the {self.limit} that the model reads")
        return rows

    def text(self, ids: Sequence[int]) -> str:
        """Return the text of token ids, without special tokens."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True))

    def has_stop(self, ids: Sequence[int], stop: Sequence[str]) -> bool:
        """Return True if the text of these token ids contains a stop text."""
        text = self.text(ids)
        return any(s in text for s in stop)

    def answers(self, prompts: Sequence[Sequence[int]], new: Sequence[Sequence[int]], sampling: Sampling) -> Generated:
        """Turn generated tokens into answers, each cut at its end token or stop text.

        Args:
            prompts: Token ids of each prompt.
            new: Token ids that the backend generated for each prompt. They may continue after the end of the answer.
            sampling: Its stop texts end an answer.
        """
        answers = [self._answer(ids, sampling.stop) for ids in new]
        return Generated(
            [text for text, _, _ in answers],
            np.array([len(row) for row in prompts], np.int32),
            np.array([count for _, count, _ in answers], np.int32),
            [finish for _, _, finish in answers],
        )

    def _answer(self, ids: Sequence[int], stop: Sequence[str]) -> tuple[str, int, Finish]:
        """Return the text of an answer, its number of tokens, and why it ended ("stop" or "length").

        The number includes the end token, but no tokens after the one that completes a stop text.
        """
        end = next((i for i, token in enumerate(ids) if token in self.ends), None)
        kept = ids if end is None else ids[:end]
        text = self.text(kept)
        if not any(s in text for s in stop):
            return text, len(kept) + (end is not None), "length" if end is None else "stop"
        # tokens after the end of the stop text do not count
        count = bisect_left(range(len(kept)), True, key=lambda k: self.has_stop(kept[:k], stop))
        text = self.text(kept[:count])
        return text[: min(at for s in stop if (at := text.find(s)) >= 0)], count, "stop"


def seed_of(seed: int, prompt: Sequence[int]) -> int:
    """Derive the seed of one prompt's random draws, from 0 to 2^31 - 1, so that equal prompts get equal draws.

    Args:
        seed: Seed of the configuration.
        prompt: Token ids or bytes of the prompt.
    """
    text = json.dumps([seed, list(prompt)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big") >> 1


def _generation_config(folder: Path) -> dict[str, Any]:
    """Return the content of the folder's `generation_config.json`; {} if there is no such file."""
    path = folder / "generation_config.json"
    if not path.exists():
        return {}
    return dict(json_files.read(path, str(path)))
