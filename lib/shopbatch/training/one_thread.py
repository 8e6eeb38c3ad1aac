"""Runs torch in one thread, and fits small models with it, so that results have the same bits on every machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch


@contextmanager
def one_thread() -> Iterator[None]:
    """Limit torch to one thread inside this block, so that sums are computed in the same order on every machine.

    Use it only for small computations.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def minimise(
    parameters: Sequence[torch.Tensor],
    loss: Callable[[], torch.Tensor],
    steps: int,
    tolerance_grad: float = 1e-7,
    tolerance_change: float = 1e-9,
) -> None:
    """Minimise a smooth loss by L-BFGS in one thread, changing the parameters in place; equal inputs give equal bits.

    Args:
        parameters: Leaf tensors that require a gradient.
        loss: Computes the loss of the current parameters, a scalar.
        steps: Maximum number of iterations.
        tolerance_grad: Gradient below which it stops earlier, as in `torch.optim.LBFGS`.
        tolerance_change: Change of parameters or loss below which it stops earlier, as in `torch.optim.LBFGS`.
    """
    optimizer = torch.optim.LBFGS(
        list(parameters),
        max_iter=steps,
        tolerance_grad=tolerance_grad,
        tolerance_change=tolerance_change,
        line_search_fn="strong_wolfe",
    )

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        value = loss()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    with one_thread():
        optimizer.step(closure)  # type: ignore[no-untyped-call]
