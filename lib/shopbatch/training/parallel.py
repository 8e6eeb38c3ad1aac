"""One worker among N: wrapping the model (DDP or FSDP2), sums over workers, clipping. For 1 worker nothing is wrapped.

The process group is Ray Train's (or a test's); without one this is the only worker.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from shopbatch.training.config import Strategy


class Parallel:
    """rank, world: this worker and how many there are."""

    def __init__(self, strategy: Strategy = "ddp", device: str = "cpu") -> None:
        there = dist.is_available() and dist.is_initialized()
        self.rank, self.world = (dist.get_rank(), dist.get_world_size()) if there else (0, 1)
        self.device = torch.device(device, torch.cuda.current_device()) if device == "cuda" else torch.device(device)
        self.sharded = strategy == "fsdp" and there

    def wrap(self, objective: Any, compiled: bool = False) -> Any:
        """The objective as it is to be called. FSDP2 shards it in place, layer by layer; DDP wraps it."""
        objective.to(self.device)
        if self.sharded:
            from torch.distributed.device_mesh import init_device_mesh
            from torch.distributed.fsdp import fully_shard

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

    def settle(self, objective: nn.Module) -> None:
        """FSDP2 leaves the outermost weights gathered after a forward pass: give each worker its own part again."""
        for module in objective.modules() if self.sharded else ():
            if hasattr(module, "reshard"):
                gathered: Any = module
                gathered.reshard()

    @contextmanager
    def accumulate(self, wrapped: Any, last: bool) -> Iterator[None]:
        """Gradients go to the other workers with the last micro-batch only."""
        held: AbstractContextManager[Any] = nullcontext()
        if self.world > 1 and not last and not self.sharded:
            held = wrapped.no_sync()
        elif self.sharded:
            wrapped.set_requires_gradient_sync(last)
        with held:
            yield

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """The values summed over the workers, on each of them."""
        if self.world > 1:
            dist.all_reduce(values)
        return values

    def barrier(self) -> None:
        if self.world > 1:
            dist.barrier()

    def clip(self, parameters: list[nn.Parameter], norm: float) -> float:
        """Scale the gradients down to at most `norm` together; returns what they had."""
        found = nn.utils.clip_grad_norm_(parameters, norm)
        whole = found.full_tensor() if hasattr(found, "full_tensor") else found
        return float(whole)


def layers(module: nn.Module) -> list[nn.Module]:
    """The transformer's layers: the longest list of modules in it."""
    lists: list[Any] = [m for m in module.modules() if isinstance(m, nn.ModuleList)]
    return max((list(found) for found in lists), key=len, default=[])
