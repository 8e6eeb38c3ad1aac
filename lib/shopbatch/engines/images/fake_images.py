"""The fake image encoder: vectors from a hash of the bytes, for tests and for benchmarks of code around an engine."""

from __future__ import annotations

import pyarrow as pa

from shopbatch.engines.base import Encoded
from shopbatch.engines.encoders.fake_encoder import FakeEncoder
from shopbatch.engines.images.base import counted


class FakeImageEncoder(FakeEncoder):
    """An image encoder that hashes the bytes of a picture without decoding them, so any bytes are accepted.

    `FakeConfig` describes it.
    """

    def encode(self, pictures: pa.Array, /) -> Encoded:
        """Return pseudo-random vectors, uniform in [-1, 1), that depend only on the bytes of each picture."""
        return counted(super().encode(pictures).vectors)
