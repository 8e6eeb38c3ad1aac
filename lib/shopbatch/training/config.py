"""Configuration classes that all fine-tuning jobs share: training loop, optimizer, workers, gates. Cheap to import."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from shopbatch.core.config import Strict
from shopbatch.core.errors import UserError

Strategy = Literal["ddp", "fsdp"]


class ScheduleConfig(Strict):
    """Learning-rate schedule of a training run: linear warm-up, then decay."""

    peak: float = Field(default=2e-4, gt=0)
    """Maximum learning rate, reached at the end of the warm-up. Lower it if the training loss diverges."""
    shape: Literal["cosine", "linear", "constant"] = "cosine"
    """Shape of the decay after the warm-up, from peak to floor; constant stays at peak."""
    warmup: float = Field(default=0.05, ge=0, le=1)
    """Share of the steps, 0 to 1, during which the learning rate rises linearly to the peak. 0 starts at the peak."""
    floor: float = Field(default=0.1, ge=0, le=1)
    """Learning rate at the end of the decay, as a share of the peak, 0 to 1; without effect if shape is constant."""


class OptimizerConfig(Strict):
    """Settings of the optimizer AdamW (Loshchilov and Hutter 2019), which runs fused where torch supports it."""

    beta1: float = Field(default=0.9, ge=0, lt=1)
    """Decay rate of the running mean of the gradients, 0 to 1."""
    beta2: float = Field(default=0.95, ge=0, lt=1)
    """Decay rate of the running mean of the squared gradients, 0 to 1."""
    eps: float = Field(default=1e-8, gt=0)
    """Small number that is added to the denominator of an update for numerical stability."""
    weight_decay: float = Field(default=0.01, ge=0)
    """Decoupled weight decay of weight matrices; biases and norms have none. 0 turns it off."""
    clip: float = Field(default=1.0, gt=0)
    """Gradient clipping: maximum norm of all gradients together; larger gradients are scaled down to it."""


class LoopConfig(Strict):
    """Settings of the training loop of one run.

    Together with the data and the base model they identify the run: if one of them changes, it is a new run, which does
    not resume from the checkpoints of the old one.
    """

    block_tokens: int = Field(default=512, ge=8)
    """Maximum number of tokens of a block, and therefore of a document. Depending on the job, a longer document is cut
    or left out."""
    batch_blocks: int = Field(default=16, ge=1)
    """Number of blocks in the global batch of an optimizer step, over all workers; must be a multiple of
    workers.count."""
    micro_blocks: int = Field(default=4, ge=1)
    """Number of blocks that a worker computes at once; gradients are accumulated over the micro-batches of a step.
    Lower it to save memory."""
    epochs: float = Field(default=1.0, gt=0)
    """Number of passes over the training blocks; the run ends earlier if it reaches max_steps."""
    max_steps: int | None = Field(default=None, ge=1)
    """Maximum number of optimizer steps (null: only epochs limits the run)."""
    eval_steps: int = Field(default=50, ge=1)
    """Number of optimizer steps between two validations."""
    patience: int = Field(default=0, ge=0)
    """Number of consecutive validations without a lower loss after which the run stops early. 0 never stops early."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Number format of the computation. With bf16 (autocast) the weights and the optimizer state stay fp32."""
    seed: int = 0
    """Seed of all random decisions of the run: order of the blocks, dropout, initial weights."""
    schedule: ScheduleConfig = ScheduleConfig()
    """Learning-rate schedule."""
    optimizer: OptimizerConfig = OptimizerConfig()
    """Settings of the optimizer."""


class WorkersConfig(Strict):
    """Number, devices and strategy of the workers of a training run.

    Apart from rounding, these settings do not change the trained model.
    """

    count: int = Field(default=1, ge=1)
    """Number of Ray Train workers that share each training step; loop.batch_blocks must be a multiple of it."""
    threads: int | None = Field(default=None, ge=1)
    """Number of CPU threads of each worker (null: the CPUs of the cluster's smallest node, divided by count)."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Device of each worker; with cuda each worker takes one GPU."""
    strategy: Strategy = "ddp"
    """How the model is distributed: ddp keeps the whole model on each worker; fsdp (FSDP2, `fully_shard`) splits it,
    for models that are too large for one device."""
    compile: bool = False
    """Whether the model is compiled with torch.compile, which is faster after a slow start."""
    recompute: bool = False
    """Whether activations are recomputed in the backward pass (gradient checkpointing), which saves memory but takes
    about a third more time."""
    checkpoint_steps: int = Field(default=50, ge=1)
    """Number of optimizer steps between two checkpoints. A killed run repeats at most this many steps."""
    keep: int = Field(default=2, ge=1)
    """Number of newest checkpoints that are kept, besides the best weights."""
    retries: int = Field(default=2, ge=0)
    """Number of times that a run is restarted from its newest checkpoint after it lost a worker."""


class GateConfig(Strict):
    """Conditions that a trained candidate must meet to be published.

    In addition its held-out loss must fall by more than chance: the whole 95 % bootstrap interval of the difference
    must be on the better side.
    """

    loss: float = Field(default=0.0, ge=0)
    """Minimum fall of a language model's held-out loss, as a share of the old loss, 0 to 1."""
    worse: float = Field(default=0.01, ge=0)
    """Maximum amount by which a metric may get worse in any single language. 0 allows no decline."""


def identity(*parts: Any) -> list[Any]:
    """Return configurations as JSON values, for the digest that identifies a run."""
    return [p.model_dump(mode="json") for p in parts]


def batch_share(config: LoopConfig, world: int) -> int:
    """Return how many blocks of each global batch one worker computes.

    Args:
        config: Settings of the loop.
        world: Number of workers.

    Raises:
        UserError: `batch_blocks` is not a multiple of `world`.
    """
    if config.batch_blocks % world:
        raise UserError(
            f"loop.batch_blocks={config.batch_blocks} cannot be shared evenly by workers.count={world}; "
            "make it a multiple"
        )
    return config.batch_blocks // world
