"""The fake encoder: vectors from a hash of the text, for tests and for benchmarks of the code around an engine."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.core.hashing import former_hash128
from shopbatch.engines.base import Encoded
from shopbatch.engines.configs import FakeConfig
from shopbatch.engines.faults import inject_faults

_BATCH_ROWS = 4096
_STEP, _MIX1, _MIX2 = (np.uint64(x) for x in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


class FakeEncoder:
    """An encoder that hashes texts instead of running a model, at about a million texts per second.

    `FakeConfig` describes it. Each byte of a text counts as one token.
    """

    def __init__(self, config: FakeConfig) -> None:
        self.config, self.dim = config, config.dim

    def plan(self, texts: pa.Array) -> list[np.ndarray]:
        """Return the row numbers of each batch: consecutive rows, at most 4,096 of them."""
        return [np.arange(a, min(a + _BATCH_ROWS, len(texts))) for a in range(0, len(texts), _BATCH_ROWS)]

    def encode(self, texts: pa.Array) -> Encoded:
        """Return pseudo-random vectors, uniform in [-1, 1); the vector of a text depends only on that text.

        Faults that the configuration asks for are simulated first.
        """
        inject_faults(self.config, texts)
        high, _ = former_hash128([texts])
        vectors = (self._words(high) >> np.uint64(40)).astype(np.float32) / np.float32(2**23) - 1
        tokens = pc.binary_length(texts).to_numpy(zero_copy_only=False).astype(np.int32)
        return Encoded(vectors, tokens)

    def _words(self, seed: np.ndarray) -> np.ndarray:
        """Return the first `dim` outputs of SplitMix64 (Steele et al. 2014) for each seed, uint64 [n, dim]."""
        words = seed[:, None] + np.arange(self.dim, dtype=np.uint64) * _STEP
        words = (words ^ (words >> np.uint64(30))) * _MIX1
        words = (words ^ (words >> np.uint64(27))) * _MIX2
        return np.asarray(words ^ (words >> np.uint64(31)))
