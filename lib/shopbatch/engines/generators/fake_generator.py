"""The fake generator: answers from a hash of the prompt, for tests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from shopbatch.engines.base import EngineError, Finish, Generated
from shopbatch.engines.configs import FakeGenerateConfig, Sampling
from shopbatch.engines.faults import inject_faults
from shopbatch.models.chat import Messages

_WORDS = ("your", "order", "parcel", "refund", "size", "delivery", "return", "is", "on", "the", "way", "today", "sorry")


class FakeGenerator:
    """A generator that answers with 1 to 16 words chosen by a hash of the prompt, as `FakeGenerateConfig` describes it.

    Each word counts as one token.
    """

    def __init__(self, config: FakeGenerateConfig) -> None:
        self.config = config

    def render(self, messages: Messages) -> str:
        """Return the messages as text, one line `role: content` each."""
        return "\n".join(f"{m['role']}: {m['content']}" for m in messages)

    def generate(self, prompts: Sequence[str], sampling: Sampling) -> Generated:
        """Answer each prompt, in order, after simulating the configured faults; an empty prompt raises EngineError."""
        inject_faults(self.config, pa.array(prompts, pa.string()))
        answers = [self._answer(prompt, sampling) for prompt in prompts]
        return Generated(
            [text for text, _, _ in answers],
            np.array([len(prompt.split()) for prompt in prompts], np.int32),
            np.array([count for _, count, _ in answers], np.int32),
            [finish for _, _, finish in answers],
        )

    @staticmethod
    def _answer(prompt: str, sampling: Sampling) -> tuple[str, int, Finish]:
        """Return the answer to one prompt, its number of tokens, and why it ended ("stop" or "length")."""
        if not prompt:
            raise EngineError("a prompt is empty")
        draws = (sampling.seed, sampling.temperature, sampling.top_p) if sampling.temperature else None
        digest = hashlib.blake2b(json.dumps([prompt, draws]).encode()).digest()
        words = [_WORDS[byte % len(_WORDS)] for byte in digest[1 : 2 + digest[0] % 16]]
        for count in range(1, min(len(words), sampling.max_new_tokens) + 1):
            text = " ".join(words[:count])
            if any(s in text for s in sampling.stop):
                return text[: min(at for s in sampling.stop if (at := text.find(s)) >= 0)], count, "stop"
        if len(words) >= sampling.max_new_tokens:  # no tokens left for the end token
            return " ".join(words[: sampling.max_new_tokens]), sampling.max_new_tokens, "length"
        return " ".join(words), len(words) + 1, "stop"
