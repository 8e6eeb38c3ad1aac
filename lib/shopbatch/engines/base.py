"""The interfaces of all engines (encoders, text generators, translators), and the types of their results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import pyarrow as pa

from shopbatch.engines.configs import Sampling
from shopbatch.models.chat import Messages


class EngineError(RuntimeError):
    """A backend failed on a batch; the caller then retries the rows of the batch one by one."""


@dataclass(frozen=True)
class Encoded:
    """The embedding vectors of a batch of texts, as every encoder returns them.

    Attributes:
        vectors: float32 [n, dim], one row per text.
        tokens: int32 [n], the number of tokens that the encoder read of each text.
    """

    vectors: np.ndarray
    tokens: np.ndarray


class Encoder(Protocol):
    """An embedding model: turns each text into one vector of `dim` numbers.

    The vector of a text does not depend on the other texts of its batch, apart from rounding.

    Attributes:
        dim: Length of a vector.
    """

    dim: int

    def plan(self, texts: pa.Array) -> list[np.ndarray]:
        """Split texts into batches of similar length and bounded size, each of which fits into one call of `encode`.

        Args:
            texts: Strings without nulls.

        Returns:
            The row numbers of each batch, int64; every row is in exactly one batch.
        """

    def encode(self, texts: pa.Array) -> Encoded:
        """Compute the vectors of one batch of texts.

        Args:
            texts: Strings without nulls, in any order.

        Returns:
            The vectors and token counts, in the order of the texts.

        Raises:
            EngineError: The backend failed.
        """


def encode_all(encoder: Encoder, texts: pa.Array) -> Encoded:
    """Compute the vectors of any number of texts, batch by batch as `Encoder.plan` splits them.

    Args:
        encoder: The encoder.
        texts: Strings without nulls.

    Returns:
        The vectors and token counts, in the order of the texts.
    """
    vectors = np.empty((len(texts), encoder.dim), np.float32)
    tokens = np.empty(len(texts), np.int32)
    for rows in encoder.plan(texts):
        encoded = encoder.encode(texts.take(pa.array(rows)))
        vectors[rows], tokens[rows] = encoded.vectors, encoded.tokens
    return Encoded(vectors, tokens)


Finish = Literal["stop", "length"]


@dataclass(frozen=True)
class Generated:
    """The answers of a generator to a batch of prompts, or the translations of a batch of texts.

    Attributes:
        texts: The answers, without special tokens and without the stop text.
        tokens_in: int32 [n], the number of tokens of each prompt.
        tokens_out: int32 [n], the number of tokens that were generated for each answer, including the token that ended
            it.
        finished: Why each answer ended: "stop" if the model ended it or a stop text occurred, "length" if it reached
            `max_new_tokens`.
    """

    texts: list[str]
    tokens_in: np.ndarray
    tokens_out: np.ndarray
    finished: list[Finish]


class Generator(Protocol):
    """A text generator: turns chat messages into prompts, and prompts into answers.

    An answer does not depend on the other prompts of its batch, apart from rounding.
    """

    def render(self, messages: Messages) -> str:
        """Turn chat messages into the prompt text that the model continues with the assistant's next answer.

        Args:
            messages: The messages so far, as {"role": ..., "content": ...}, oldest first.

        Raises:
            ModelError: The model has no tokenizer or no chat template.
            UserError: The chat template refuses these messages.
        """

    def generate(self, prompts: Sequence[str], sampling: Sampling) -> Generated:
        """Generate one answer for each prompt.

        Args:
            prompts: Texts that `render` returned. Special tokens in them are recognised; no special tokens are added.
            sampling: How tokens are chosen, and when an answer ends.

        Returns:
            The answers, in the order of the prompts.

        Raises:
            EngineError: The backend failed, or a prompt is empty or too long for the model.
        """


class Translator(Protocol):
    """A machine translation engine.

    A translation does not depend on the other texts of its call, apart from rounding.
    """

    def translate(self, texts: Sequence[str], pair: tuple[str, str], attempt: int) -> Generated:
        """Translate texts from one language into another.

        Args:
            texts: The texts. Placeholders such as ⟦0⟧ in them should come back unchanged.
            pair: ISO 639-1 codes of the source language and of the target language, such as ("en", "es").
            attempt: Number of the attempt for these texts, from 1. An engine may use it to return another translation
                when the caller rejected the previous one.

        Returns:
            The translations, in the order of the texts.

        Raises:
            EngineError: The backend failed, or a text is too long for the model.
        """
