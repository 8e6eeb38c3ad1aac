"""Measure how much faster one way to score texts is than another.

The jobs compress_encoder and train_cascade use it for their speed gates.
"""

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
    """How many times faster the second of two functions is than the first.

    Attributes:
        value: Median over the rounds.
        low: Lowest round.
        high: Highest round.
    """

    value: float
    low: float
    high: float

    def tree(self) -> dict[str, float]:
        """Return the three numbers by name, rounded to 3 digits, for a report."""
        return {"value": round(self.value, 3), "low": round(self.low, 3), "high": round(self.high, 3)}


def beside(first: Callable[[pa.Array], Any], second: Callable[[pa.Array], Any], texts: pa.Array, rounds: int) -> Ratio:
    """Compare the speed of two functions on the same texts, by the processor time of this process.

    The functions run in turn. Processor time hardly depends on other work on the machine, and the ratio of neighbouring
    measurements depends on it still less. One extra round beforehand warms both functions up.

    Args:
        first: Function that reads texts; the reference.
        second: Function that reads texts; the one that should be faster.
        texts: The texts, string [n].
        rounds: Number of measured rounds.

    Returns:
        Time of `first` divided by time of `second`.
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
