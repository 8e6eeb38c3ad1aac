"""What an engine is: the protocols of encoders and text generators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import pyarrow as pa

from shopbatch.engines.configs import Sampling
from shopbatch.models.chat import Messages


class EngineError(RuntimeError):
    """The backend failed on this batch. The caller tries its rows one by one."""


@dataclass(frozen=True)
class Encoded:
    """vectors: float32 [n, dim]; tokens: int32 [n], tokens read for each text."""

    vectors: np.ndarray
    tokens: np.ndarray


class Encoder(Protocol):
    """Texts in, one vector each out. A vector does not depend on the other texts of its batch (but for rounding)."""

    dim: int

    def plan(self, texts: pa.Array) -> list[np.ndarray]:
        """Row numbers (int64) that go together (like lengths, bounded tokens); every row exactly once."""

    def encode(self, texts: pa.Array) -> Encoded:
        """texts: strings without nulls, in any order. Raises EngineError."""


def encode_all(encoder: Encoder, texts: pa.Array) -> Encoded:
    """Encode any number of texts in planned batches; the vectors are in the texts' order."""
    vectors = np.empty((len(texts), encoder.dim), np.float32)
    tokens = np.empty(len(texts), np.int32)
    for rows in encoder.plan(texts):
        encoded = encoder.encode(texts.take(pa.array(rows)))
        vectors[rows], tokens[rows] = encoded.vectors, encoded.tokens
    return Encoded(vectors, tokens)


Finish = Literal["stop", "length"]


@dataclass(frozen=True)
class Generated:
    """texts: the answers, without special tokens and stop texts. tokens_in: int32 [n], tokens of each prompt.

    tokens_out: int32 [n], tokens that were computed, with the one that ended the answer.
    finished: "stop" (the model or a stop text ended it) or "length" (max_new_tokens did).
    """

    texts: list[str]
    tokens_in: np.ndarray
    tokens_out: np.ndarray
    finished: list[Finish]


class Generator(Protocol):
    """Prompts in, one answer each out. An answer does not depend on the other prompts (but for rounding)."""

    def render(self, messages: Messages) -> str:
        """The prompt that asks the assistant to speak next. Raises as `chat_prompt` does."""

    def generate(self, prompts: Sequence[str], sampling: Sampling) -> Generated:
        """Answers in the order of the prompts.

        prompts: text as `render` makes it: special tokens in it are recognised, none are added.
        Raises EngineError: the backend failed, or a prompt is empty or too long for the model.
        """
