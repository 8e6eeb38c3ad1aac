"""One thread for work that must give the same bits on every machine, and fits that use it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread inside the block, so that sums have one order on every machine; the work is small."""
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
    """Change parameters until a smooth loss of them is least, by L-BFGS in one thread: equal rows give equal bits.

    Args:
        parameters: Leaves that need a gradient; they are changed in place.
        loss: Returns the loss, a scalar.
        steps: Maximum number of iterations.
        tolerance_grad, tolerance_change: When it stops before, as `torch.optim.LBFGS` reads them.
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
