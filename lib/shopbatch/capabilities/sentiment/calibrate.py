"""Calibration: finds the shift and the temperature of a head's logits that make its probabilities reliable."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from shopbatch.capabilities.sentiment.head import softmax

FEW = 30  # a language with fewer validation examples is calibrated on other examples as well
_COLDEST, _HOTTEST = 0.05, 20.0  # limits of a temperature


def log_loss(logits: np.ndarray, label: np.ndarray) -> float:
    """Return the mean negative log probability of the true class."""
    true = softmax(logits)[np.arange(len(label)), label]
    return float(-np.log(np.maximum(true, 1e-12)).mean())


def temperature(logits: np.ndarray, label: np.ndarray) -> float:
    """Find by golden-section search the temperature, 0.05 to 20, that gives logits [n, classes] the lowest log loss."""
    low, high = np.log(_COLDEST), np.log(_HOTTEST)  # convex in 1 / temperature, so it has one minimum here too
    golden = (np.sqrt(5) - 1) / 2
    while high - low > 1e-4:
        a, b = high - golden * (high - low), low + golden * (high - low)
        if log_loss(logits / np.exp(a), label) < log_loss(logits / np.exp(b), label):
            high = b
        else:
            low = a
    return float(np.exp((low + high) / 2))


def recalibrate(logits: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the (shift [classes], temperature) that minimise the log loss of (logits + shift) / temperature.

    A head that was trained on all languages together has learnt their common class shares, but the shares of each
    language differ, which the shift corrects. This is vector scaling with a single scale (Guo et al. 2017, section
    4.2). A class that does not occur among the labels is not shifted. The temperature is limited to 0.05 to 20: a few
    examples that are all classified correctly would drive it to 0.
    """
    target = torch.from_numpy(label.astype(np.int64))
    occurs = torch.from_numpy(np.isin(np.arange(logits.shape[1]), label))
    inputs = torch.from_numpy(logits.astype(float))
    shift = torch.zeros(logits.shape[1], dtype=torch.float64, requires_grad=True)
    cooling = torch.zeros((), dtype=torch.float64, requires_grad=True)  # -log of the temperature
    optimizer = torch.optim.LBFGS([shift, cooling], max_iter=200, line_search_fn="strong_wolfe")

    def scale() -> torch.Tensor:
        return torch.exp(-cooling).clamp(_COLDEST, _HOTTEST)

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        moved = (inputs + torch.where(occurs, shift, 0.0)) / scale()
        value = torch.nn.functional.cross_entropy(moved, target) + 1e-4 * (shift**2).sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    with one_thread():
        optimizer.step(loss)  # type: ignore[no-untyped-call]
    return torch.where(occurs, shift, 0.0).detach().numpy(), float(scale().detach())


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread inside the block, so that sums have one order on every machine; the work is small."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
