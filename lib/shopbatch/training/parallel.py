"""Distributed training as one worker sees it: wrapping the model (DDP or FSDP2), sums over workers, gradient clipping.

The process group is that of Ray Train (or of a test). Without one this is the only worker, and nothing is wrapped.
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
    """This worker's place in the group of training workers.

    Args:
        strategy: "ddp" or "fsdp".
        device: "cpu" or "cuda".

    Attributes:
        rank: Number of this worker, from 0.
        world: Number of workers.
        device: This worker's torch device.
        sharded: Whether the model is sharded over the workers (FSDP2).
    """

    def __init__(self, strategy: Strategy = "ddp", device: str = "cpu") -> None:
        grouped = dist.is_available() and dist.is_initialized()
        self.rank, self.world = (dist.get_rank(), dist.get_world_size()) if grouped else (0, 1)
        self.device = torch.device(device, torch.cuda.current_device()) if device == "cuda" else torch.device(device)
        self.sharded = strategy == "fsdp" and grouped

    def wrap(self, objective: Any, compiled: bool = False) -> Any:
        """Prepare an objective for this group and return the module to call.

        FSDP2 shards the objective in place, layer by layer; DDP wraps it. With a single worker it only moves to the
        device.

        Args:
            objective: The module to train.
            compiled: Whether it is compiled with torch.compile.
        """
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
        """Free the gathered weights, so that each worker has only its own shard again; does nothing without FSDP2.

        FSDP2 leaves the outermost weights gathered after a forward pass.
        """
        for module in objective.modules() if self.sharded else ():
            if hasattr(module, "reshard"):
                gathered: Any = module
                gathered.reshard()

    @contextmanager
    def accumulate(self, wrapped: Any, last: bool) -> Iterator[None]:
        """A context manager for the forward and backward pass of one micro-batch.

        Gradients are exchanged with the other workers only if it is the last micro-batch of a step.

        Args:
            wrapped: The module that `wrap` returned.
            last: Whether this is the last micro-batch of the step.
        """
        no_exchange: AbstractContextManager[Any] = nullcontext()
        if self.world > 1 and not last and not self.sharded:
            no_exchange = wrapped.no_sync()
        elif self.sharded:
            wrapped.set_requires_gradient_sync(last)
        with no_exchange:
            yield

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """Sum a tensor over all workers, in place on each of them, and return it."""
        if self.world > 1:
            dist.all_reduce(values)
        return values

    def barrier(self) -> None:
        """Wait until every worker has called this."""
        if self.world > 1:
            dist.barrier()

    def clip(self, parameters: list[nn.Parameter], norm: float) -> float:
        """Scale all gradients down by one factor so that their total norm is at most `norm`.

        Args:
            parameters: The parameters whose gradients are scaled.
            norm: Maximum total norm.

        Returns:
            The total norm before scaling.
        """
        gradients = []
        for parameter in parameters:
            gradient = parameter.grad
            if gradient is not None and gradient.is_sparse:
                parameter.grad = gradient = gradient.coalesce()  # sums the entries of rows that occur several times
                gradient = gradient.values()
            gradients += [] if gradient is None else [gradient]
        before = nn.utils.get_total_norm(gradients)
        nn.utils.clip_grads_with_norm_(parameters, norm, before)
        whole = before.full_tensor() if hasattr(before, "full_tensor") else before
        return float(whole)


def layers(module: nn.Module) -> list[nn.Module]:
    """Return the Transformer layers of a module: the modules in its longest `ModuleList`; [] if it has none."""
    lists: list[Any] = [m for m in module.modules() if isinstance(m, nn.ModuleList)]
    return max((list(modules) for modules in lists), key=len, default=[])
