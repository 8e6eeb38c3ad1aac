"""How a model is trained: the configuration that every fine-tuning job shares. Cheap to import."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from shopbatch.core.config import Strict
from shopbatch.core.errors import UserError

Strategy = Literal["ddp", "fsdp"]


class ScheduleConfig(Strict):
    """The learning rate over the run."""

    peak: float = Field(default=2e-4, gt=0)
    """Learning rate after the warm-up."""
    shape: Literal["cosine", "linear", "constant"] = "cosine"
    """Curve of the decay after the warm-up."""
    warmup: float = Field(default=0.05, ge=0, le=1)
    """Share of the steps, 0 to 1, over which the rate rises linearly to the peak."""
    floor: float = Field(default=0.1, ge=0, le=1)
    """Learning rate at the end, as a share of the peak."""


class OptimizerConfig(Strict):
    """The optimizer: AdamW (Loshchilov and Hutter 2019), fused where torch supports it."""

    beta1: float = Field(default=0.9, ge=0, lt=1)
    """Decay of the running mean of the gradients."""
    beta2: float = Field(default=0.95, ge=0, lt=1)
    """Decay of the running mean of the squared gradients."""
    eps: float = Field(default=1e-8, gt=0)
    """Term added to the denominator for numerical stability."""
    weight_decay: float = Field(default=0.01, ge=0)
    """Decoupled weight decay of matrices; biases and norms do not decay."""
    clip: float = Field(default=1.0, gt=0)
    """Maximum norm of all gradients together; larger gradients are scaled down."""


class LoopConfig(Strict):
    """One training run.

    Together with the data and the base model these fields identify the run: another value is another run, with
    checkpoints of its own.
    """

    block_tokens: int = Field(default=512, ge=8)
    """Length of a block in tokens, and therefore of the longest document."""
    batch_blocks: int = Field(default=16, ge=1)
    """Blocks of one optimizer step, all workers together."""
    micro_blocks: int = Field(default=4, ge=1)
    """Blocks that a worker computes at once; the gradients of a step's micro-batches are accumulated."""
    epochs: float = Field(default=1.0, gt=0)
    """Passes over the training blocks; the run ends earlier if max_steps is reached first."""
    max_steps: int | None = Field(default=None, ge=1)
    """Maximum number of optimizer steps; null for no limit besides epochs."""
    eval_steps: int = Field(default=50, ge=1)
    """Optimizer steps between two validations."""
    patience: int = Field(default=0, ge=0)
    """Validations without a better loss after which the run stops early; 0 never stops early."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Precision of the computation; with bf16 (autocast) the weights and the optimizer state stay fp32."""
    seed: int = 0
    """Seed of everything random in the run."""
    schedule: ScheduleConfig = ScheduleConfig()
    """The learning rate over the run."""
    optimizer: OptimizerConfig = OptimizerConfig()
    """The optimizer."""


class WorkersConfig(Strict):
    """Where a run is trained and on how many workers. Apart from rounding, nothing here changes the trained model."""

    count: int = Field(default=1, ge=1)
    """Number of Ray Train workers."""
    threads: int | None = Field(default=None, ge=1)
    """CPU threads of each worker; null shares the CPUs of the cluster's smallest node evenly."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Device of each worker."""
    strategy: Strategy = "ddp"
    """`ddp` keeps the whole model on each worker, `fsdp` (FSDP2, `fully_shard`) a shard of it."""
    compile: bool = False
    """Whether the model is compiled with torch.compile."""
    recompute: bool = False
    """Gradient checkpointing: less memory for about a third more time."""
    checkpoint_steps: int = Field(default=50, ge=1)
    """Optimizer steps between two checkpoints."""
    keep: int = Field(default=2, ge=1)
    """Number of newest checkpoints to keep, besides the best weights."""
    retries: int = Field(default=2, ge=0)
    """How often the run is restarted after it lost a worker."""


class GateConfig(Strict):
    """What a candidate must reach to be published.

    Its held-out loss must also fall by more than chance: the whole 95 % bootstrap interval of the difference must lie
    on the better side.
    """

    loss: float = Field(default=0.0, ge=0)
    """Minimum relative fall of a language model's held-out loss, 0 to 1."""
    worse: float = Field(default=0.01, ge=0)
    """Maximum by which a metric may get worse in any one language."""


def identity(*parts: Any) -> list[Any]:
    """Return configurations as JSON values, to be part of a digest."""
    return [p.model_dump(mode="json") for p in parts]


def batch_share(config: LoopConfig, world: int) -> int:
    """Return how many blocks of one step each of `world` workers computes.

    Raises:
        UserError: The blocks of a step cannot be shared evenly.
    """
    if config.batch_blocks % world:
        raise UserError(
            f"loop.batch_blocks={config.batch_blocks} cannot be shared evenly by workers.count={world}; "
            "make it a multiple"
        )
    return config.batch_blocks // world
