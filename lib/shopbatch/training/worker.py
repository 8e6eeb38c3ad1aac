"""The description of a training run, and the function that every Ray Train worker runs."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import ray
from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict

from shopbatch.core.errors import UserError
from shopbatch.core.privacy import guard_logs
from shopbatch.training.blocks import Pack
from shopbatch.training.config import LoopConfig, WorkersConfig
from shopbatch.training.plans import Plan
from shopbatch.warehouse import files, state_files

DONE = "done.json"


@dataclass(frozen=True)
class Run:
    """Everything that defines one training run.

    Attributes:
        plan: Builds the model to train, with its loss, on each worker.
        pack: The training and validation blocks.
        loop: Settings of the training loop.
        workers: Number and devices of the workers.
        folder: Folder of the checkpoints (path or URI).
        key: Identifies the run; stored in every checkpoint.
    """

    plan: Plan
    pack: Pack
    loop: LoopConfig
    workers: WorkersConfig
    folder: str
    key: str


@with_config(ConfigDict(extra="allow"))
class _Ended(TypedDict, total=False):
    """The content of `done.json`: the final state of a run (`loop.State`), or the reason why it failed."""

    step: int
    best: float | None
    best_step: int
    tokens: int
    stopped: bool
    history: list[dict[str, float]]
    mistake: str
    diverged: str


def finished(run: Run) -> dict[str, Any] | None:
    """Read how a run ended, from its `done.json`.

    Returns:
        The final state (see `State.tree`); {"mistake": message} after a UserError; {"diverged": message} after
        diverging training; None if the run has not ended.
    """
    ended = state_files.read(f"{run.folder}/{DONE}", _Ended, "the run goes on from its newest whole checkpoint")
    return None if ended is None else dict(ended)


def work(context: dict[str, Any]) -> None:
    """Train as one worker of Ray Train; the first worker writes `done.json` at the end.

    Args:
        context: `run`: the `Run`. `board`: handle of the actor that passes messages to the driver. `threads`: number of
            CPU threads of this worker.
    """
    import torch

    from shopbatch.training.checkpoints import Checkpoints
    from shopbatch.training.loop import Data, Diverged, Trainer
    from shopbatch.training.parallel import Parallel

    guard_logs()
    run: Run = context["run"]
    torch.set_num_threads(context["threads"])
    parallel = Parallel(run.workers.strategy, run.workers.device)
    board = context["board"]
    checkpoints = Checkpoints(run.folder, run.key, parallel, run.workers.keep, board.print_line.remote)
    data = Data(run.pack.read("train"), run.pack.read("val"))
    unsent: list[tuple[int, dict[str, float]]] = []
    sent_at = time.monotonic()

    def log(step: int, values: Mapping[str, float]) -> None:
        nonlocal sent_at
        if parallel.rank == 0:
            unsent.append((step, dict(values)))
            if time.monotonic() - sent_at > 1.0 or "validation_loss" in values:
                board.push.remote(list(unsent))
                unsent.clear()
                sent_at = time.monotonic()

    try:
        trainer = Trainer(run.plan.build(run.workers.recompute), data, run.loop, parallel, checkpoints, log)
        state = trainer.prepare(compiled=run.workers.compile, checkpoint_steps=run.workers.checkpoint_steps)
        result = trainer.run(state).tree()
    except (Diverged, UserError) as error:  # a retry would fail in the same way
        result = {"mistake" if isinstance(error, UserError) else "diverged": str(error)}
    if parallel.rank == 0:
        ray.get(board.push.remote(unsent))
        files.write_bytes(f"{run.folder}/{DONE}", json.dumps(result).encode())
