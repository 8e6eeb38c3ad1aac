"""The interface of all image encoders, and helpers that the backends share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import pyarrow as pa

from shopbatch.core.errors import one_line
from shopbatch.engines.base import Encoded, EngineError
from shopbatch.models.image_spec import ImageSpec
from shopbatch.pictures.pixels import pixels


class ImageEncoder(Protocol):
    """An image embedding model: turns each picture into one vector of `dim` numbers.

    The vector of a picture does not depend on the other pictures of its batch, apart from rounding.

    Attributes:
        dim: Length of a vector.
    """

    dim: int

    def plan(self, pictures: pa.Array, /) -> list[np.ndarray]:
        """Split pictures into batches of bounded size, each of which fits into one call of `encode`.

        Args:
            pictures: Picture files as `pictures.reading` stores them, binary without nulls.

        Returns:
            The row numbers of each batch, int64; every row is in exactly one batch.
        """

    def encode(self, pictures: pa.Array, /) -> Encoded:
        """Compute the vectors of one batch of pictures; each picture counts as one token.

        Args:
            pictures: Picture files as `pictures.reading` stores them, binary without nulls.

        Raises:
            EngineError: The backend failed, or a picture cannot be decoded.
        """


class TextSide(Protocol):
    """The text encoder of a model for pictures and texts, such as CLIP.

    Its vectors can be compared with the picture vectors of the same model.
    """

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return the vectors of texts, float32 [n, dim]."""


def encode_all(encoder: ImageEncoder, pictures: pa.Array) -> np.ndarray:
    """Compute the vectors of any number of pictures, batch by batch.

    Args:
        encoder: The image encoder.
        pictures: Picture files as `pictures.reading` stores them, binary without nulls.

    Returns:
        The vectors in the order of the pictures, float32 [n, dim].
    """
    vectors = np.empty((len(pictures), encoder.dim), np.float32)
    for rows in encoder.plan(pictures):
        vectors[rows] = encoder.encode(pictures.take(pa.array(rows))).vectors
    return vectors


def batches(rows: int, size: int) -> list[np.ndarray]:
    """Split the row numbers 0 to rows - 1 into consecutive batches of at most `size` rows."""
    return [np.arange(a, min(a + size, rows)) for a in range(0, rows, size)]


def decoded(pictures: pa.Array, spec: ImageSpec) -> np.ndarray:
    """Decode stored pictures and resize them to the size that a model reads.

    Args:
        pictures: Picture files as `pictures.reading` stores them, binary without nulls.
        spec: Size and manner of resizing.

    Returns:
        The pixels, uint8 [n, size, size, 3].

    Raises:
        EngineError: A picture is damaged.
    """
    try:
        return pixels(pictures.to_pylist(), spec.size, spec.fit, spec.resample)
    except (OSError, ValueError, SyntaxError) as error:
        raise EngineError(f"a picture cannot be decoded: {one_line(error, 200)}") from None


def counted(vectors: np.ndarray) -> Encoded:
    """Wrap picture vectors, float32 [n, dim], as `Encoded`, with a token count of 1 for each picture."""
    return Encoded(vectors, np.ones(len(vectors), np.int32))
