"""The fake image encoder: vectors from a hash of the bytes, for tests and for measuring everything around an engine."""

from __future__ import annotations

import pyarrow as pa

from shopbatch.engines.base import Encoded
from shopbatch.engines.encoders.fake_encoder import FakeEncoder
from shopbatch.engines.images.base import counted


class FakeImageEncoder(FakeEncoder):
    """An image encoder as `FakeConfig` describes it. It decodes nothing, so any bytes are a picture."""

    def encode(self, pictures: pa.Array, /) -> Encoded:
        """Encode one batch: every number of a vector is uniform in [-1, 1)."""
        return counted(super().encode(pictures).vectors)
