"""Prompts as tokens and tokens as answers, the same for every generating backend."""

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
from shopbatch.models.folder import ModelError
from shopbatch.models.loading import load_tokenizer, longest, model_config


class Prompts:
    """The tokenizer of one model folder. ends: tokens that end an answer. limit: tokens of prompt and answer."""

    def __init__(self, folder: Path) -> None:
        config = model_config(folder)
        self.tokenizer = load_tokenizer(folder)
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        self.limit = longest(folder, config)
        own = _generation_config(folder)
        ends = own.get("eos_token_id", config.get("eos_token_id"))
        self.ends = [int(i) for i in (ends if isinstance(ends, list) else [ends]) if i is not None]
        pad = own.get("pad_token_id", config.get("pad_token_id"))
        self.pad = int(pad) if pad is not None else self.ends[0] if self.ends else 0

    def read(self, prompts: Sequence[str], max_new_tokens: int) -> list[list[int]]:
        """Token ids of each prompt. Raises EngineError if one is empty, or too long to be answered."""
        rows = [e.ids for e in self.tokenizer.encode_batch_fast(list(prompts), add_special_tokens=False)]
        for row in rows:
            if not row:
                raise EngineError("a prompt is empty")
            if len(row) + max_new_tokens > self.limit:
                wanted = f"a prompt has {len(row)} tokens; with {max_new_tokens} new ones"
                raise EngineError(f"{wanted} that is more than the {self.limit} that the model reads")
        return rows

    def text(self, ids: Sequence[int]) -> str:
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True))

    def has_stop(self, ids: Sequence[int], stop: Sequence[str]) -> bool:
        """Whether the text of these tokens holds one of the stop texts."""
        text = self.text(ids)
        return any(s in text for s in stop)

    def answers(self, prompts: Sequence[Sequence[int]], new: Sequence[Sequence[int]], sampling: Sampling) -> Generated:
        """What was generated, cut where it ends. A backend may have gone further than the end, or stopped at it."""
        found = [self._answer(ids, sampling.stop) for ids in new]
        return Generated(
            [text for text, _, _ in found],
            np.array([len(row) for row in prompts], np.int32),
            np.array([count for _, count, _ in found], np.int32),
            [finish for _, _, finish in found],
        )

    def _answer(self, ids: Sequence[int], stop: Sequence[str]) -> tuple[str, int, Finish]:
        """(text, tokens computed up to its end, why it ended)."""
        end = next((i for i, token in enumerate(ids) if token in self.ends), None)
        said = ids if end is None else ids[:end]
        text = self.text(said)
        if not any(s in text for s in stop):
            return text, len(said) + (end is not None), "length" if end is None else "stop"
        # what a backend wrote beyond the token that completes a stop text does not count
        count = bisect_left(range(len(said)), True, key=lambda k: self.has_stop(said[:k], stop))
        text = self.text(said[:count])
        return text[: min(at for s in stop if (at := text.find(s)) >= 0)], count, "stop"


def seed_of(seed: int, prompt: Sequence[int]) -> int:
    """A seed below 2^31 of one prompt's draws: equal prompts are answered alike, different ones independently."""
    text = json.dumps([seed, list(prompt)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big") >> 1


def _generation_config(folder: Path) -> dict[str, Any]:
    path = folder / "generation_config.json"
    if not path.exists():
        return {}
    try:
        return dict(json.loads(path.read_bytes()))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: can not be read ({error})") from None
