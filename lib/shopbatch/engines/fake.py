"""The fake engines: vectors and answers out of the text's own hash; they fail, raise, end or hang where told to."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.engines.engine import Encoded, EngineError, FakeConfig, Faults
from shopbatch.engines.generation import FakeGenerateConfig, Finish, Generated, Messages, Sampling
from shopbatch.inference.content import hash128

_BATCH_ROWS = 4096
_STEP, _MIX1, _MIX2 = (np.uint64(x) for x in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))

_WORDS = ("your", "order", "parcel", "refund", "size", "delivery", "return", "is", "on", "the", "way", "today", "sorry")


class FakeEncoder:
    """See FakeConfig. The tokens of a text are its bytes. About a million texts a second."""

    def __init__(self, config: FakeConfig) -> None:
        self.config, self.dim = config, config.dim

    def plan(self, texts: pa.Array) -> list[np.ndarray]:
        return [np.arange(a, min(a + _BATCH_ROWS, len(texts))) for a in range(0, len(texts), _BATCH_ROWS)]

    def encode(self, texts: pa.Array) -> Encoded:
        strike(self.config, texts)
        high, _ = hash128([texts])
        vectors = (self._words(high) >> np.uint64(40)).astype(np.float32) / np.float32(2**23) - 1
        tokens = pc.binary_length(texts).to_numpy(zero_copy_only=False).astype(np.int32)
        return Encoded(vectors, tokens)

    def _words(self, seed: np.ndarray) -> np.ndarray:
        """uint64 [n, dim]: SplitMix64 (Steele et al. 2014) begun at each seed."""
        words = seed[:, None] + np.arange(self.dim, dtype=np.uint64) * _STEP
        words = (words ^ (words >> np.uint64(30))) * _MIX1
        words = (words ^ (words >> np.uint64(27))) * _MIX2
        return np.asarray(words ^ (words >> np.uint64(31)))


class FakeGenerator:
    """See FakeGenerateConfig. A prompt's words are its tokens; an answer has one to sixteen words."""

    def __init__(self, config: FakeGenerateConfig) -> None:
        self.config = config

    def render(self, messages: Messages) -> str:
        return "\n".join(f"{m['role']}: {m['content']}" for m in messages)

    def generate(self, prompts: Sequence[str], sampling: Sampling) -> Generated:
        strike(self.config, pa.array(prompts, pa.string()))
        found = [self._answer(prompt, sampling) for prompt in prompts]
        return Generated(
            [text for text, _, _ in found],
            np.array([len(prompt.split()) for prompt in prompts], np.int32),
            np.array([count for _, count, _ in found], np.int32),
            [finish for _, _, finish in found],
        )

    @staticmethod
    def _answer(prompt: str, sampling: Sampling) -> tuple[str, int, Finish]:
        if not prompt:
            raise EngineError("a prompt is empty")
        draws = (sampling.seed, sampling.temperature, sampling.top_p) if sampling.temperature else None
        drawn = json.dumps([prompt, draws])
        digest = hashlib.blake2b(drawn.encode()).digest()
        words = [_WORDS[byte % len(_WORDS)] for byte in digest[1 : 2 + digest[0] % 16]]
        for count in range(1, min(len(words), sampling.max_new_tokens) + 1):
            text = " ".join(words[:count])
            if any(s in text for s in sampling.stop):
                return text[: min(at for s in sampling.stop if (at := text.find(s)) >= 0)], count, "stop"
        if len(words) >= sampling.max_new_tokens:  # the token that would end it has no room
            return " ".join(words[: sampling.max_new_tokens]), sampling.max_new_tokens, "length"
        return " ".join(words), len(words) + 1, "stop"


def strike(faults: Faults, texts: pa.Array) -> None:
    """Do what `faults` says to a call with these texts (strings without nulls)."""
    if faults.slow_ms:
        time.sleep(faults.slow_ms / 1000)
    if _holds(texts, faults.exit_on):
        os._exit(1)
    if _holds(texts, faults.hang_on):
        threading.Event().wait()
    if _holds(texts, faults.raise_on):  # real engines quote their input, too
        raise ArithmeticError(f"the fake engine was told to raise by {_first(texts, faults.raise_on)}")
    if _holds(texts, faults.fail_on):
        raise EngineError(f"the fake engine was told to fail by {_first(texts, faults.fail_on)}")


def _first(texts: pa.Array, needle: str | None) -> str:
    return str(texts.filter(pc.match_substring(texts, needle))[0])


def _holds(texts: pa.Array, needle: str | None) -> bool:
    return bool(needle) and bool(pc.any(pc.match_substring(texts, needle)).as_py())
