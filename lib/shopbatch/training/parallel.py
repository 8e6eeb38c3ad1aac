"""One worker among N: wrapping the model (DDP or FSDP2), sums over workers, clipping. A single worker wraps nothing.

The process group is Ray Train's (or a test's); without one, this is the only worker.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from shopbatch.training.config import Strategy
from shopbatch.training.optimizer import RowEmbedding


class Parallel:
    """This worker and the others. rank: number of this worker. world: number of workers."""

    def __init__(self, strategy: Strategy = "ddp", device: str = "cpu") -> None:
        grouped = dist.is_available() and dist.is_initialized()
        self.rank, self.world = (dist.get_rank(), dist.get_world_size()) if grouped else (0, 1)
        self.device = torch.device(device, torch.cuda.current_device()) if device == "cuda" else torch.device(device)
        self.sharded = strategy == "fsdp" and grouped

    def wrap(self, objective: Any, compiled: bool = False) -> Any:
        """Return the module to call: FSDP2 shards the objective in place, layer by layer; DDP wraps it."""
        objective.to(self.device)
        if self.sharded:
            from torch.distributed.device_mesh import init_device_mesh
            from torch.distributed.fsdp import fully_shard

            for module in objective.modules():
                if isinstance(module, RowEmbedding):
                    module.sparse = False  # FSDP2 scatters dense gradients only
            mesh = init_device_mesh(self.device.type, (self.world,))
            for layer in layers(objective):
                fully_shard(layer, mesh=mesh)
            fully_shard(objective, mesh=mesh)
        if compiled:
            objective.compile(dynamic=True)
        if self.world == 1 or self.sharded:
            return objective
        from torch.nn.parallel import DistributedDataParallel

        return DistributedDataParallel(objective, forward_sync_buffers=False, gradient_as_bucket_view=True)

    def reshard(self, objective: nn.Module) -> None:
        """Give each worker back its own shard: FSDP2 leaves the outermost weights gathered after a forward pass."""
        for module in objective.modules() if self.sharded else ():
            if hasattr(module, "reshard"):
                gathered: Any = module
                gathered.reshard()

    @contextmanager
    def accumulate(self, wrapped: Any, last: bool) -> Iterator[None]:
        """Exchange gradients with the other workers only for the last micro-batch of a step."""
        no_exchange: AbstractContextManager[Any] = nullcontext()
        if self.world > 1 and not last and not self.sharded:
            no_exchange = wrapped.no_sync()
        elif self.sharded:
            wrapped.set_requires_gradient_sync(last)
        with no_exchange:
            yield

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """Sum the values over the workers, in place on each of them."""
        if self.world > 1:
            dist.all_reduce(values)
        return values

    def barrier(self) -> None:
        """Wait until every worker is here."""
        if self.world > 1:
            dist.barrier()

    def clip(self, parameters: list[nn.Parameter], norm: float) -> float:
        """Scale the gradients down to a common norm of at most `norm`, and return the norm before."""
        gradients = []
        for parameter in parameters:
            gradient = parameter.grad
            if gradient is not None and gradient.is_sparse:
                parameter.grad = gradient = gradient.coalesce()  # before, a row may stand there more than once
                gradient = gradient.values()
            gradients += [] if gradient is None else [gradient]
        before = nn.utils.get_total_norm(gradients)
        nn.utils.clip_grads_with_norm_(parameters, norm, before)
        whole = before.full_tensor() if hasattr(before, "full_tensor") else before
        return float(whole)


def layers(module: nn.Module) -> list[nn.Module]:
    """Return the transformer's layers: the longest list of modules inside the module."""
    lists: list[Any] = [m for m in module.modules() if isinstance(m, nn.ModuleList)]
    return max((list(modules) for modules in lists), key=len, default=[])
