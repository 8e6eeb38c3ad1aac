"""What an image encoder is: the protocol that every backend keeps, and what they share."""

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
    """Turns pictures into one vector each. A vector does not depend on the rest of its batch (except for rounding)."""

    dim: int

    def plan(self, pictures: pa.Array, /) -> list[np.ndarray]:
        """Split the rows into batches of bounded size.

        Returns:
            The row numbers (int64) of each batch; every row is in exactly one of them.
        """

    def encode(self, pictures: pa.Array, /) -> Encoded:
        """Encode one batch. What counts as a token is a picture.

        Args:
            pictures: Kept pictures (see `pictures.reading`), binary without nulls.

        Raises:
            EngineError: The backend failed, or a picture cannot be decoded.
        """


class TextSide(Protocol):
    """Turns texts into vectors that can be compared with those of pictures; only models such as CLIP have one."""

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return the vectors of texts, float32 [n, dim]."""


def encode_all(encoder: ImageEncoder, pictures: pa.Array) -> np.ndarray:
    """Encode any number of pictures in planned batches: vectors in the order of the pictures, float32 [n, dim]."""
    vectors = np.empty((len(pictures), encoder.dim), np.float32)
    for rows in encoder.plan(pictures):
        vectors[rows] = encoder.encode(pictures.take(pa.array(rows))).vectors
    return vectors


def batches(rows: int, size: int) -> list[np.ndarray]:
    """Row numbers in order, at most so many at once."""
    return [np.arange(a, min(a + size, rows)) for a in range(0, rows, size)]


def decoded(pictures: pa.Array, spec: ImageSpec) -> np.ndarray:
    """Return the pixels of kept pictures as a model reads them, uint8 [n, size, size, 3].

    Raises:
        EngineError: A picture is damaged.
    """
    try:
        return pixels(pictures.to_pylist(), spec.size, spec.fit, spec.resample)
    except (OSError, ValueError, SyntaxError) as error:
        raise EngineError(f"a picture cannot be decoded: {one_line(error, 200)}") from None


def counted(vectors: np.ndarray) -> Encoded:
    """Return vectors with a token each."""
    return Encoded(vectors, np.ones(len(vectors), np.int32))
