"""Ray Train replaced by one worker in this process: quicker, for tests of what happens around the training."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import ray

from shopbatch.training import worker
from shopbatch.training.board import OnStep
from shopbatch.training.worker import Run


def run_workers(run: Run, on_step: OnStep) -> None:
    """Stands in for `workers.run_workers` where workers.count is 1. Ray must run."""

    def push(steps: list[tuple[int, dict[str, float]]]) -> ray.ObjectRef:
        for step, values in steps:
            on_step(step, values)
        return ray.put(None)

    board = SimpleNamespace(
        push=SimpleNamespace(remote=push),
        print_line=SimpleNamespace(remote=lambda line: print(f"shopbatch: {line}", file=sys.stderr)),
    )
    worker.work({"run": run, "board": board, "threads": 1})
