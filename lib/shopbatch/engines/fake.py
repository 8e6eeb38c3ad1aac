"""The fake engine: vectors out of the text's own hash; fails, raises, ends its process or hangs where it is told to."""

from __future__ import annotations

import os
import threading
import time

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.engines.engine import Encoded, EngineError, FakeConfig
from shopbatch.inference.content import hash128


class FakeEncoder:
    """See FakeConfig."""

    def __init__(self, config: FakeConfig) -> None:
        self.config, self.dim = config, config.dim

    def plan(self, texts: pa.Array) -> list[np.ndarray]:
        return [np.arange(len(texts))] if len(texts) else []

    def encode(self, texts: pa.Array) -> Encoded:
        if self.config.slow_ms:
            time.sleep(self.config.slow_ms / 1000)
        if self._holds(texts, self.config.exit_on):
            os._exit(1)
        if self._holds(texts, self.config.hang_on):
            threading.Event().wait()
        if self._holds(texts, self.config.raise_on):
            raise ArithmeticError("the fake engine was told to raise")
        if self._holds(texts, self.config.fail_on):
            raise EngineError("the fake engine was told to fail")
        high, low = hash128([texts])
        shifts = np.arange(self.dim, dtype=np.uint64) * np.uint64(8) % np.uint64(64)
        words = np.where(np.arange(self.dim) < 8, high[:, None], low[:, None])
        vectors = ((words >> shifts) & np.uint64(255)).astype(np.float32) / 127.5 - 1.0
        return Encoded(vectors, pc.binary_length(texts).to_numpy(zero_copy_only=False).astype(np.int32))

    @staticmethod
    def _holds(texts: pa.Array, needle: str | None) -> bool:
        return bool(needle) and bool(pc.any(pc.match_substring(texts, needle)).as_py())
