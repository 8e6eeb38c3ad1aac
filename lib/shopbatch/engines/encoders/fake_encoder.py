"""The fake engines: vectors and answers out of the text's own hash; they fail, raise, end or hang where told to."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.core.hashing import hash128
from shopbatch.engines.base import Encoded
from shopbatch.engines.configs import FakeConfig
from shopbatch.engines.faults import strike

_BATCH_ROWS = 4096
_STEP, _MIX1, _MIX2 = (np.uint64(x) for x in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


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
