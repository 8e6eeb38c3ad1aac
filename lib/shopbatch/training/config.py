"""How a model is trained: the configuration that both fine-tuning jobs share. Light to import; called by jobs/*.py."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from shopbatch.core.config import Strict
from shopbatch.core.errors import UserError

Strategy = Literal["ddp", "fsdp"]


class ScheduleConfig(Strict):
    """The learning rate. peak: after the warm-up. warmup: share of the steps. floor: share of peak at the end."""

    peak: float = Field(default=2e-4, gt=0)
    shape: Literal["cosine", "linear", "constant"] = "cosine"
    warmup: float = Field(default=0.05, ge=0, le=1)
    floor: float = Field(default=0.1, ge=0, le=1)


class OptimizerConfig(Strict):
    """AdamW (Loshchilov and Hutter 2019), fused. clip: greatest norm of all gradients together."""

    beta1: float = Field(default=0.9, ge=0, lt=1)
    beta2: float = Field(default=0.95, ge=0, lt=1)
    eps: float = Field(default=1e-8, gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    clip: float = Field(default=1.0, gt=0)


class LoopConfig(Strict):
    """One training run. What is here, with data and base model, names the run: another value is another run.

    block_tokens: length of a block, and of the longest document. batch_blocks: blocks of one optimizer step, all
    workers together. micro_blocks: blocks that one worker computes at once; more of them are accumulated.
    epochs, max_steps: the earlier of both ends the run. eval_steps: steps between two validations. patience:
    validations without a better loss after which the run stops early (0: never).
    precision: bf16 is autocast, weights and optimizer stay fp32.
    """

    block_tokens: int = Field(default=512, ge=8)
    batch_blocks: int = Field(default=16, ge=1)
    micro_blocks: int = Field(default=4, ge=1)
    epochs: float = Field(default=1.0, gt=0)
    max_steps: int | None = Field(default=None, ge=1)
    eval_steps: int = Field(default=50, ge=1)
    patience: int = Field(default=0, ge=0)
    precision: Literal["fp32", "bf16"] = "fp32"
    seed: int = 0
    schedule: ScheduleConfig = ScheduleConfig()
    optimizer: OptimizerConfig = OptimizerConfig()


class WorkersConfig(Strict):
    """Where and on how many workers; nothing here changes what is trained (but for rounding).

    count: Ray Train workers. threads: of one worker on CPU (None: the machine's, shared out). device: cpu or cuda.
    strategy: ddp holds the whole model on each worker, fsdp (FSDP2, `fully_shard`) a part of it.
    compile: torch.compile. recompute: gradient checkpointing, less memory and a third more time.
    checkpoint_steps: steps between two checkpoints. keep: so many of the newest stay. retries: of a lost worker.
    """

    count: int = Field(default=1, ge=1)
    threads: int | None = Field(default=None, ge=1)
    device: Literal["cpu", "cuda"] = "cpu"
    strategy: Strategy = "ddp"
    compile: bool = False
    recompute: bool = False
    checkpoint_steps: int = Field(default=50, ge=1)
    keep: int = Field(default=2, ge=1)
    retries: int = Field(default=2, ge=0)


class GateConfig(Strict):
    """What a candidate must do. loss: least relative fall of the held-out loss; worse: greatest loss of a metric in
    any one language. A candidate must also be better by more than chance: the whole bootstrap interval above 0.
    """

    loss: float = Field(default=0.0, ge=0)
    worse: float = Field(default=0.01, ge=0)


def identity(*parts: Any) -> list[Any]:
    """Configurations as JSON values, for a digest."""
    return [p.model_dump(mode="json") for p in parts]


def batch_share(config: LoopConfig, world: int) -> int:
    """Blocks of one step on one worker. UserError unless every worker gets as many."""
    if config.batch_blocks % world:
        raise UserError(f"loop.batch_blocks={config.batch_blocks} can not be shared by workers.count={world} evenly")
    return config.batch_blocks // world
