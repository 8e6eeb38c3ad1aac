"""The training loop of all objectives, for any number of workers. `worker.work` runs it in every Ray Train worker.

The global batch of a step depends only on the seed and the step; each worker computes its share of it. The random
generator is seeded for every micro-batch from the run's seed, the step and the micro-batch's position in the global
batch. So a resumed run gives the same weights as one that was never interrupted.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from shopbatch.core.crash_points import crash_point
from shopbatch.training.blocks import Blocks
from shopbatch.training.checkpoint_files import best_name, step_name
from shopbatch.training.checkpoints import Checkpoints
from shopbatch.training.config import LoopConfig, ScheduleConfig, batch_share
from shopbatch.training.optimizer import RowAdamW, RowEmbedding
from shopbatch.training.packing import Batch, flatten
from shopbatch.training.parallel import Parallel


class Diverged(Exception):
    """The loss or a gradient is no longer a finite number."""


@dataclass(frozen=True)
class Data:
    """The blocks of the training and of the validation split; every worker has all of them in memory."""

    train: Blocks
    val: Blocks


@dataclass
class State:
    """The progress of a run, which every checkpoint stores.

    Attributes:
        step: Number of optimizer steps done.
        best: Lowest validation loss so far; infinity before the first validation.
        best_step: Step of that validation.
        worse: Number of consecutive validations since then.
        tokens: Number of tokens that all workers have read so far.
        stopped: Whether the run ended early because of `patience`.
        history: {"step", "loss"} for each optimizer step and {"step", "val"} for each validation, in order.
    """

    step: int = 0
    best: float = math.inf
    best_step: int = 0
    worse: int = 0
    tokens: int = 0
    stopped: bool = False
    history: list[dict[str, float]] = field(default_factory=list)

    def tree(self) -> dict[str, Any]:
        """Return the state as JSON values; `best` is None before the first validation."""
        return asdict(self) | {"best": self.best if math.isfinite(self.best) else None}

    @classmethod
    def of(cls, tree: Mapping[str, Any]) -> State:
        """Return the state from the JSON values that `tree` returned."""
        return cls(**dict(tree) | {"best": math.inf if tree["best"] is None else tree["best"]})


Log = Callable[[int, Mapping[str, float]], None]


class Order:
    """The order of the training blocks: computes the global batch of any step from the seed and the step alone.

    So a run can resume at any step. Every epoch is a random permutation of all blocks. A batch at the end of an epoch
    is filled up from the next epoch.

    Args:
        blocks: Number of training blocks.
        batch: Number of blocks in a global batch.
        seed: Seed of the permutations.
    """

    def __init__(self, blocks: int, batch: int, seed: int) -> None:
        self.blocks, self.size, self.seed = blocks, batch, seed
        self._epochs: dict[int, np.ndarray] = {}

    def batch(self, step: int) -> np.ndarray:
        """Return the block numbers of the global batch of a step (counted from 0), int64 [batch]."""
        places = np.arange(step * self.size, (step + 1) * self.size)
        epochs = places // self.blocks
        return np.concatenate([self._epoch(e)[places[epochs == e] % self.blocks] for e in np.unique(epochs)])

    def _epoch(self, number: int) -> np.ndarray:
        """Return the permutation of the blocks in an epoch (counted from 0); the last two are cached."""
        if number not in self._epochs:
            self._epochs = {k: v for k, v in self._epochs.items() if k == number - 1}
            self._epochs[number] = np.random.default_rng([self.seed, int(number)]).permutation(self.blocks)
        return self._epochs[number]


def rate(config: ScheduleConfig, step: int, steps: int) -> float:
    """Return the learning rate of an optimizer step: linear warm-up, then decay.

    Args:
        config: The schedule.
        step: The step, counted from 0.
        steps: Total number of steps of the run.
    """
    warm = math.ceil(config.warmup * steps)
    if step < warm:
        return config.peak * (step + 1) / warm
    done = (step - warm) / max(1, steps - warm)
    decay = {"cosine": (1 + math.cos(math.pi * done)) / 2, "linear": 1 - done, "constant": 1.0}
    return config.peak * (config.floor + (1 - config.floor) * decay[config.shape])


class Trainer:
    """One training run on one worker; all workers make the same calls.

    Args:
        objective: The module to train, not yet wrapped, with its initial weights. Frozen weights require no gradient.
            It returns the single losses of a `Batch`, not their mean.
        data: The blocks.
        config: Settings of the loop.
        parallel: This worker's rank and group.
        checkpoints: Saves and loads the run.
        log: Called on every worker after a step or a validation, with the step and its metrics by name.

    Raises:
        UserError: The global batch cannot be shared evenly by the workers.
    """

    def __init__(
        self, objective: Any, data: Data, config: LoopConfig, parallel: Parallel, checkpoints: Checkpoints, log: Log
    ) -> None:
        self.config, self.data, self.parallel, self.checkpoints, self.log = config, data, parallel, checkpoints, log
        # objectives with `by_document` have one loss per document, the others one per trained token
        self.weights = data.train.weights(bool(getattr(objective, "by_document", False)))
        self.share = batch_share(config, parallel.world)
        self.order = Order(len(data.train), config.batch_blocks, config.seed)
        self.steps = steps(config, len(data.train))
        self.objective = objective

    def prepare(self, *, compiled: bool = False, checkpoint_steps: int = 50) -> State:
        """Wrap the model, create the optimizer, and load the newest checkpoint. Call it before `run`.

        Args:
            compiled: Whether the model is compiled with torch.compile.
            checkpoint_steps: Number of optimizer steps between two checkpoints.

        Returns:
            The state of the checkpoint, or that of a new run.
        """
        self.wrapped = self.parallel.wrap(self.objective, compiled)
        self.checkpoint_steps = checkpoint_steps
        self.parameters = [p for p in self.objective.parameters() if p.requires_grad]
        optimizer = self.config.optimizer
        self.optimizer = RowAdamW(
            groups(self.objective, optimizer.weight_decay),
            lr=0.0,
            betas=(optimizer.beta1, optimizer.beta2),
            eps=optimizer.eps,
            fused=not self.parallel.sharded,  # for sharded tensors, torch has a fused AdamW on CUDA only
        )
        saved = self.checkpoints.load(self.objective, self.optimizer)
        return State() if saved is None else State.of(saved)

    def run(self, state: State) -> State:
        """Train from a state to the end of the run, then load the best weights into the objective.

        Args:
            state: The state, from `prepare`; it is updated in place.

        Returns:
            The final state.

        Raises:
            Diverged: The loss or a gradient is not finite.
            OSError, SafetensorError: A checkpoint cannot be written.
        """
        if state.step == 0 and not state.history:
            self.validate(state)
        started, before = time.monotonic(), state.tokens
        while state.step < self.steps and not state.stopped:
            loss, norm = self.step(state)
            last = state.step == self.steps
            seconds = time.monotonic() - started
            values = {"loss": loss, "gradient_norm": norm, "tokens": float(state.tokens)}
            values["tokens_per_second"] = (state.tokens - before) / seconds
            values["seconds_left"] = seconds / max(1, state.tokens - before) * self._tokens_left(state)
            self.log(state.step, values)
            if state.step % self.config.eval_steps == 0 or last:
                self.validate(state)
            if state.step % self.checkpoint_steps == 0 or last or state.stopped:
                self.checkpoints.save(step_name(state.step), self.objective, self.optimizer, state.tree())
            crash_point(f"train-step-{state.step}")
        self.checkpoints.load(self.objective, name=best_name(state.best_step))
        return state

    def step(self, state: State) -> tuple[float, float]:
        """Do one optimizer step on the next global batch, and update the state.

        Returns:
            The mean loss of the global batch, and the norm of its gradient before clipping.

        Raises:
            Diverged: The loss or the gradient is not finite.
        """
        config, parallel = self.config, self.parallel
        blocks = self.order.batch(state.step)
        weight = float(self.weights[blocks].sum())
        own_blocks = blocks[parallel.rank * self.share : (parallel.rank + 1) * self.share]
        learning = rate(config.schedule, state.step, self.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = learning
        self.wrapped.train()
        total = torch.zeros((), device=parallel.device)
        for start in range(0, self.share, config.micro_blocks):
            micro = own_blocks[start : start + config.micro_blocks].tolist()
            part = self._part(self.data.train, micro, _seed(config.seed, state.step))
            # seeded by the position in the global batch, so dropout does not depend on the number of workers
            torch.manual_seed(_seed(config.seed, state.step, parallel.rank * self.share + start))
            with parallel.accumulate(self.wrapped, start + config.micro_blocks >= self.share):
                with self._autocast():
                    loss = self.wrapped(part).sum()
                # DDP and FSDP2 average over the workers; we need the sum divided by the weight of the global batch
                (loss * (parallel.world / weight)).backward()
            total += loss.detach()
        value = float(parallel.sum(total)) / weight
        norm = parallel.clip(self.parameters, config.optimizer.clip)
        if not (math.isfinite(value) and math.isfinite(norm)):
            raise Diverged(f"step {state.step + 1}: loss {value}, norm of the gradient {norm}")
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        state.step += 1
        state.tokens += int(np.diff(self.data.train.first_token)[blocks].sum())
        state.history.append({"step": state.step, "loss": value})
        return value, norm

    @torch.no_grad()
    def validate(self, state: State) -> None:
        """Compute the mean loss of the validation blocks; save the weights as `best-...` if it is the lowest so far.

        Raises:
            Diverged: The loss is not finite.
        """
        parallel, blocks = self.parallel, self.data.val
        self.wrapped.eval()
        total, size = torch.zeros(2, dtype=torch.float64, device=parallel.device), self.config.micro_blocks
        rounds = -(-len(blocks) // (size * parallel.world))
        for turn in range(rounds):  # all workers must make equally many calls, because FSDP2 gathers in each
            start = (turn * parallel.world + parallel.rank) * size
            own_blocks = list(range(start, min(start + size, len(blocks))))
            with self._autocast():
                losses = self.wrapped(self._part(blocks, own_blocks or [0]))
            if own_blocks:
                total += torch.stack([losses.double().sum(), torch.tensor(float(len(losses)), device=losses.device)])
        summed = parallel.sum(total)
        loss = float(summed[0] / summed[1])
        if not math.isfinite(loss):
            raise Diverged(f"step {state.step}: validation loss {loss}")
        state.history.append({"step": state.step, "val": loss})
        self.log(state.step, {"validation_loss": loss})
        if loss < state.best:
            state.best, state.best_step, state.worse = loss, state.step, 0
            self.checkpoints.save(best_name(state.step), self.objective, None, state.tree())
        else:
            state.worse += 1
            state.stopped = 0 < self.config.patience <= state.worse

    def _part(self, data: Blocks, numbers: list[int], seed: int = 0) -> Batch:
        """Return the documents of the blocks with these numbers as one batch."""
        return flatten(data.documents(numbers), seed, data.sizes(numbers))

    def _autocast(self) -> Any:
        """Return a context manager in which torch computes in bf16, if the configuration asks for it."""
        enabled = self.config.precision == "bf16"
        return torch.autocast(self.parallel.device.type, torch.bfloat16, enabled=enabled)

    def _tokens_left(self, state: State) -> float:
        """Return the estimated number of tokens until the end of the run."""
        return state.tokens / max(1, state.step) * (self.steps - state.step)


def steps(config: LoopConfig, blocks: int) -> int:
    """Return the number of optimizer steps of a whole run, at least 1.

    Args:
        config: Settings of the loop.
        blocks: Number of training blocks.
    """
    count = max(1, round(config.epochs * blocks / config.batch_blocks))
    return count if config.max_steps is None else min(count, config.max_steps)


def groups(objective: nn.Module, decay: float) -> list[dict[str, Any]]:
    """Return the optimizer's parameter groups, by weight decay and by whether only the used rows are updated.

    Args:
        objective: The module; parameters without gradient are left out.
        decay: Weight decay of matrices; vectors (biases, norms) have none.

    Returns:
        Groups with `params`, `weight_decay` and `rows`: whether `RowAdamW` updates only rows with a gradient, as it
        does for a `RowEmbedding`.
    """
    tables = {id(m.weight) for m in objective.modules() if isinstance(m, RowEmbedding)}
    kinds: dict[tuple[bool, float], list[nn.Parameter]] = {}
    for parameter in objective.parameters():
        if parameter.requires_grad:
            kind = id(parameter) in tables, decay if parameter.ndim >= 2 else 0.0
            kinds.setdefault(kind, []).append(parameter)
    return [{"params": p, "weight_decay": rate, "rows": rows} for (rows, rate), p in kinds.items()]


def _seed(*parts: int) -> int:
    """Combine numbers into one seed below 2^63."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> np.uint64(1))
