"""The optimizer of the training loop: AdamW, which leaves alone the rows of a large table that a step did not touch."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class RowEmbedding(nn.Embedding):
    """A table so large that a step has gradients for a few of its rows only, and updates only those."""

    def __init__(self, rows: int, width: int) -> None:
        super().__init__(rows, width, sparse=True)


class RowAdamW(torch.optim.AdamW):
    """AdamW (Loshchilov and Hutter 2019); in groups with `rows`, only rows with a gradient other than 0 are updated.

    For the other rows neither the moments nor the weights decay ("lazy Adam"), so a step costs as much as the rows that
    it touches. What is stored for a parameter is the same either way.
    """

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Do one step."""
        for group in self.param_groups:
            for parameter in group["params"] if group["rows"] else ():
                self._update_rows(parameter, group)
                parameter.grad = None  # nothing is left for AdamW to do
        return super().step(closure)

    def _update_rows(self, parameter: nn.Parameter, group: dict[str, Any]) -> None:
        rows, values = _touched(_local(parameter.grad))
        state, (beta1, beta2), rate = self.state[parameter], group["betas"], group["lr"]
        if not state:
            state["step"] = torch.zeros((), device=parameter.device)
            state.update({name: torch.zeros_like(parameter) for name in ("exp_avg", "exp_avg_sq")})
        state["step"] += 1
        step = float(state["step"])
        weights, means, squares = (_local(t) for t in (parameter, state["exp_avg"], state["exp_avg_sq"]))
        mean = beta1 * means[rows] + (1 - beta1) * values
        square = beta2 * squares[rows] + (1 - beta2) * values**2
        update = mean / (1 - beta1**step) / ((square / (1 - beta2**step)).sqrt() + group["eps"])
        means[rows], squares[rows] = mean, square
        weights[rows] = weights[rows] * (1 - rate * group["weight_decay"]) - rate * update


def _local(tensor: Any) -> torch.Tensor:
    """Return what this worker holds of a tensor that may be sharded."""
    local: torch.Tensor = tensor.to_local() if hasattr(tensor, "to_local") else tensor
    return local.detach()


def _touched(gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the rows with a gradient other than 0, int64 [n], and their gradients, [n, width]."""
    if gradient.is_sparse:
        gradient = gradient.coalesce()
        rows, values = gradient.indices()[0], gradient.values()
        nonzero = values.any(1)
        return rows[nonzero], values[nonzero]
    rows = gradient.any(1).nonzero()[:, 0]
    return rows, gradient[rows]
