"""The optimizer of the training loop: AdamW, which updates only the rows of a large embedding that a step used."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class RowEmbedding(nn.Embedding):
    """An embedding so large that each step has gradients for few of its rows; `RowAdamW` updates only these rows."""

    def __init__(self, rows: int, width: int) -> None:
        super().__init__(rows, width, sparse=True)


class RowAdamW(torch.optim.AdamW):
    """AdamW (Loshchilov and Hutter 2019) with row-wise updates for the parameter groups marked `rows`.

    In such a group only the rows with a non-zero gradient are updated. The moments and weights of the other rows do not
    decay ("lazy Adam"), so the cost of a step is proportional to the rows that it uses. The optimizer state has the
    same form for all groups.
    """

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Update all parameters once; the arguments are those of `torch.optim.AdamW.step`."""
        for group in self.param_groups:
            for parameter in group["params"] if group["rows"] else ():
                self._update_rows(parameter, group)
                parameter.grad = None  # so that AdamW skips this parameter
        return super().step(closure)

    def _update_rows(self, parameter: nn.Parameter, group: dict[str, Any]) -> None:
        """Apply one AdamW update to the rows of a parameter that have a non-zero gradient."""
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
    """Return this worker's shard of a tensor, or the tensor itself if it is not sharded."""
    local: torch.Tensor = tensor.to_local() if hasattr(tensor, "to_local") else tensor
    return local.detach()


def _touched(gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the numbers of the rows with a non-zero gradient, int64 [n], and their gradients, [n, width]."""
    if gradient.is_sparse:
        gradient = gradient.coalesce()
        rows, values = gradient.indices()[0], gradient.values()
        nonzero = values.any(1)
        return rows[nonzero], values[nonzero]
    rows = gradient.any(1).nonzero()[:, 0]
    return rows, gradient[rows]
