"""What an engine is: the protocols of encoders and of text generators, and what they return."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import pyarrow as pa

from shopbatch.engines.configs import Sampling
from shopbatch.models.chat import Messages


class EngineError(RuntimeError):
    """The backend failed on this batch. The caller then tries its rows one by one."""


@dataclass(frozen=True)
class Encoded:
    """The vectors of a batch of texts.

    Attributes:
        vectors: float32 [n, dim].
        tokens: int32 [n], the number of tokens read for each text.
    """

    vectors: np.ndarray
    tokens: np.ndarray


class Encoder(Protocol):
    """Turns texts into one vector each. A vector does not depend on the rest of its batch (except for rounding)."""

    dim: int

    def plan(self, texts: pa.Array) -> list[np.ndarray]:
        """Split the rows into batches of similar length and bounded size.

        Returns:
            The row numbers (int64) of each batch; every row is in exactly one of them.
        """

    def encode(self, texts: pa.Array) -> Encoded:
        """Encode one batch.

        Args:
            texts: Strings without nulls; they need not be sorted.

        Raises:
            EngineError: The backend failed.
        """


def encode_all(encoder: Encoder, texts: pa.Array) -> Encoded:
    """Encode any number of texts in planned batches; the vectors come in the order of the texts."""
    vectors = np.empty((len(texts), encoder.dim), np.float32)
    tokens = np.empty(len(texts), np.int32)
    for rows in encoder.plan(texts):
        encoded = encoder.encode(texts.take(pa.array(rows)))
        vectors[rows], tokens[rows] = encoded.vectors, encoded.tokens
    return Encoded(vectors, tokens)


Finish = Literal["stop", "length"]


@dataclass(frozen=True)
class Generated:
    """The answers to a batch of prompts.

    Attributes:
        texts: The answers, without special tokens and stop texts.
        tokens_in: int32 [n], the tokens of each prompt.
        tokens_out: int32 [n], the tokens that were computed, including the one that ended the answer.
        finished: "stop" if the model or a stop text ended the answer, "length" if max_new_tokens did.
    """

    texts: list[str]
    tokens_in: np.ndarray
    tokens_out: np.ndarray
    finished: list[Finish]


class Generator(Protocol):
    """Answers prompts. An answer does not depend on the other prompts of its batch (except for rounding)."""

    def render(self, messages: Messages) -> str:
        """Write the prompt after which the assistant speaks next.

        Raises:
            ModelError: The model has no tokenizer or no chat template.
            UserError: The chat template refuses these messages.
        """

    def generate(self, prompts: Sequence[str], sampling: Sampling) -> Generated:
        """Answer the prompts, in their order.

        Args:
            prompts: Texts as `render` writes them. Special tokens in them are recognised, none are added.
            sampling: How the answers are drawn.

        Raises:
            EngineError: The backend failed, or a prompt is empty or too long for the model.
        """


class Translator(Protocol):
    """Translates texts. A translation does not depend on the other texts of its call (except for rounding)."""

    def translate(self, texts: Sequence[str], pair: tuple[str, str], attempt: int) -> Generated:
        """Translate the texts, in their order.

        Args:
            texts: The texts. Masks such as ⟦0⟧ in them should come back as they are.
            pair: ISO 639-1 codes of their language and of the wanted one.
            attempt: Number of the attempt, from 1; what is drawn is drawn anew.

        Raises:
            EngineError: The backend failed, or a text is too long for the model.
        """
