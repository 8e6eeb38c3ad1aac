"""What this machine can do at most: multiply matrices, and read memory. Measured on the spot.

Run: python -m bench.bound [--threads 2]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import Any

import numpy as np


def bound(threads: int = 2, size: int = 2048, tries: int = 5) -> dict[str, float]:
    """Measure the peak of matrix products and of reading memory.

    Args:
        threads: Threads to use.
        size: Rows and columns of the square matrices; the memory that is read is 64 times their size.
        tries: The best of so many counts.

    Returns:
        fp32 and bf16, in GFLOP/s, and memory, in GB/s.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        figures = {
            name: _best(2 * size**3 / 1e9, tries, _product(size, kind))
            for name, kind in (("fp32", torch.float32), ("bf16", torch.bfloat16))
        }
        values = torch.ones(size * size * 16)
        figures["memory"] = _best(values.numel() * 4 / 1e9, tries, values.sum)
    finally:
        torch.set_num_threads(before)
    return {name: round(value, 1) for name, value in figures.items()}


def _product(size: int, kind: Any) -> Any:
    import torch

    one = torch.rand(size, size).to(kind)
    other = torch.rand(size, size).to(kind)
    return lambda: one @ other


def _best(work: float, tries: int, run: Any) -> float:
    run()
    seconds = []
    for _ in range(tries):
        began = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - began)
    return float(work / min(seconds))


def encoder_gflop(config: dict[str, Any], layers: int, lengths: np.ndarray) -> float:
    """Count the work of an encoder on texts of these lengths, in GFLOP, as if nothing was padded.

    Args:
        config: The model's `config.json`.
        layers: How many of its layers are computed.
        lengths: Tokens of each text.
    """
    hidden, inner = int(config["hidden_size"]), int(config["intermediate_size"])
    tokens, squares = float(lengths.sum()), float((lengths.astype(float) ** 2).sum())
    # four square products and two of the feed-forward part for each token; scores and their sums for each pair
    return layers * (2 * tokens * (4 * hidden**2 + 2 * hidden * inner) + 4 * squares * hidden) / 1e9


def causal_gflop(parameters: int, hidden: int, layers: int, read: np.ndarray, written: np.ndarray) -> float:
    """Count the work of a causal model, in GFLOP, without padding and with every prompt computed once.

    Args:
        parameters: Weights that take part in a product, for each token.
        hidden: Width of the model.
        layers: Its layers.
        read: Tokens of each prompt.
        written: New tokens of each answer.
    """
    whole = read.astype(float) + written
    return float((2 * parameters * whole + 2 * layers * hidden * whole**2).sum() / 1e9)


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    """Print the bound."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--size", type=int, default=2048)
    given = parser.parse_args(argv)
    figures = bound(given.threads, given.size)
    print("fp32 {fp32:.0f} GFLOP/s, bf16 {bf16:.0f} GFLOP/s, memory {memory:.1f} GB/s".format(**figures))
    return figures


if __name__ == "__main__":
    main()
