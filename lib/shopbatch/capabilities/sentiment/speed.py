"""How much faster one way to score texts is than another, measured in turn in this process."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa


@dataclass(frozen=True)
class Ratio:
    """How many times faster the second is: the median of the rounds, and the least and greatest of them."""

    value: float
    low: float
    high: float

    def tree(self) -> dict[str, float]:
        """Return the three numbers by name."""
        return {"value": round(self.value, 3), "low": round(self.low, 3), "high": round(self.high, 3)}


def beside(first: Callable[[pa.Array], Any], second: Callable[[pa.Array], Any], texts: pa.Array, rounds: int) -> Ratio:
    """Measure two functions on the same texts in turn, by the processor time of this process.

    Processor time hardly depends on what else a machine does, and the ratio of neighbouring measurements still less.
    One round before the others warms both up.

    Args:
        first, second: Read texts.
        texts: The texts, string [n].
        rounds: Number of rounds that count.
    """
    ratios = []
    gc.collect()
    for number in range(rounds + 1):
        pair = [second, first] if number % 2 else [first, second]
        seconds = {id(each): _seconds(each, texts) for each in pair}
        if number:
            ratios.append(seconds[id(first)] / seconds[id(second)])
    return Ratio(statistics.median(ratios), min(ratios), max(ratios))


def _seconds(function: Callable[[pa.Array], Any], texts: pa.Array) -> float:
    began = time.process_time()
    function(texts)
    return max(time.process_time() - began, 1e-9)
