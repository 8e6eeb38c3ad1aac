"""One training run, and what one of its workers does. `work` runs in every worker inside Ray Train's process group."""

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
    """One training run.

    plan: what is trained. pack: the blocks. folder: of its checkpoints (path or URI). key: identifies the run, and
    stands in every checkpoint.
    """

    plan: Plan
    pack: Pack
    loop: LoopConfig
    workers: WorkersConfig
    folder: str
    key: str


@with_config(ConfigDict(extra="allow"))
class _Ended(TypedDict, total=False):
    """How a run ended: its last state (`loop.State`), or why it has none."""

    step: int
    best: float | None
    best_step: int
    tokens: int
    stopped: bool
    history: list[dict[str, float]]
    mistake: str
    diverged: str


def finished(run: Run) -> dict[str, Any] | None:
    """Return what a run ended with: its last state, or {"mistake"} or {"diverged"}; None while it is not over."""
    ended = state_files.read(f"{run.folder}/{DONE}", _Ended, "the run goes on from its newest whole checkpoint")
    return None if ended is None else dict(ended)


def work(context: dict[str, Any]) -> None:
    """Train as one worker; the first worker writes how the run ended.

    Args:
        context: `run`; `board`, the actor that passes messages to the driver; `threads` of this worker.
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
    except (Diverged, UserError) as error:  # the same on every worker, and on every retry
        result = {"mistake" if isinstance(error, UserError) else "diverged": str(error)}
    if parallel.rank == 0:
        ray.get(board.push.remote(unsent))
        files.write_bytes(f"{run.folder}/{DONE}", json.dumps(result).encode())
