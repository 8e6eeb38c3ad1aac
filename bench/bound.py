"""Measure the limits of this machine: how fast it multiplies matrices and reads memory.

Benchmarks of models compare their times with these limits. Run: python -m bench.bound [--threads 2]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import Any

import numpy as np


def bound(threads: int = 2, size: int = 2048, tries: int = 5) -> dict[str, float]:
    """Measure the peak rates of matrix products and of reading memory.

    Args:
        threads: Number of threads to use.
        size: Rows and columns of the square matrices. `16 * size ** 2` numbers of 4 bytes are read from memory.
        tries: Number of measurements, of which the best counts.

    Returns:
        Rates by name: fp32 and bf16 in GFLOP/s, memory in GB/s.
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
    """Return a function that multiplies two random square matrices of a torch dtype."""
    import torch

    one = torch.rand(size, size).to(kind)
    other = torch.rand(size, size).to(kind)
    return lambda: one @ other


def _best(work: float, tries: int, run: Any) -> float:
    """Return the best rate of several runs of `run`: `work` divided by the shortest time in seconds."""
    run()
    seconds = []
    for _ in range(tries):
        began = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - began)
    return float(work / min(seconds))


def encoder_gflop(config: dict[str, Any], layers: int, lengths: np.ndarray) -> float:
    """Return the work of an encoder on texts of given lengths, in GFLOP, as if nothing was padded.

    Args:
        config: The model's `config.json`.
        layers: Number of layers that are computed.
        lengths: Number of tokens of each text, [n].
    """
    hidden, inner = int(config["hidden_size"]), int(config["intermediate_size"])
    tokens, squares = float(lengths.sum()), float((lengths.astype(float) ** 2).sum())
    # per token: four products of hidden x hidden, two of hidden x inner; per pair of tokens: attention and its sums
    return layers * (2 * tokens * (4 * hidden**2 + 2 * hidden * inner) + 4 * squares * hidden) / 1e9


def causal_gflop(parameters: int, hidden: int, layers: int, read: np.ndarray, written: np.ndarray) -> float:
    """Return the work of a causal language model, in GFLOP, without padding and with every prompt computed once.

    Args:
        parameters: Number of weights that take part in a product for each token.
        hidden: Hidden size of the model.
        layers: Number of its layers.
        read: Number of tokens of each prompt, [n].
        written: Number of new tokens of each answer, [n].
    """
    whole = read.astype(float) + written
    return float((2 * parameters * whole + 2 * layers * hidden * whole**2).sum() / 1e9)


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    """Print the limits of the machine, and return them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--size", type=int, default=2048)
    given = parser.parse_args(argv)
    figures = bound(given.threads, given.size)
    print("fp32 {fp32:.0f} GFLOP/s, bf16 {bf16:.0f} GFLOP/s, memory {memory:.1f} GB/s".format(**figures))
    return figures


if __name__ == "__main__":
    main()
