"""Ray Train: the loop on N workers, restarted where one is lost, its progress told to the driver.

`train` runs on the driver and returns when the run is over; `work` runs in each worker.
"""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import math
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import RayError
from ray.train import FailureConfig, RunConfig, ScalingConfig, WorkerGroupError
from ray.train.torch import TorchConfig, TorchTrainer

from shopbatch.core.config import Platform
from shopbatch.core.errors import GateRefused, Stopped, UserError
from shopbatch.core.privacy import guard_logs
from shopbatch.runs.report import new_run_id
from shopbatch.training.blocks import Pack
from shopbatch.training.checkpoints import CheckpointError, read_best
from shopbatch.training.config import LoopConfig, WorkersConfig, batch_share
from shopbatch.training.plans import Plan
from shopbatch.warehouse import files

DONE = "done.json"
Told = Callable[[int, Mapping[str, float]], None]


@dataclass(frozen=True)
class Run:
    """One training run. folder: of its checkpoints (path or URI). key: names it, in every checkpoint."""

    plan: Plan
    pack: Pack
    loop: LoopConfig
    workers: WorkersConfig
    folder: str
    key: str


def check_devices(workers: WorkersConfig, platform: Platform) -> None:
    """UserError if a local Ray has not the GPUs asked for: no node will come, and Ray would wait for ever."""
    have = int(ray.cluster_resources().get("GPU", 0))
    if workers.device == "cuda" and platform.ray_address is None and have < workers.count:
        raise UserError(f"workers.device=cuda with workers.count={workers.count}: this machine has {have} GPUs for Ray")


def train(run: Run, told: Told) -> dict[str, Any]:
    """Train, or go on where a killed run was; returns the last `State` as a tree. A finished run returns at once.

    told: called in the driver as steps are done, with the step and named numbers.
    Raises GateRefused (diverged), UserError, OSError (no space left), Stopped (workers lost too often).
    """
    batch_share(run.loop, run.workers.count)
    with _alone(run):
        done = finished(run)
        if done is not None and "step" in done:
            with suppress(CheckpointError):  # told by the worker that goes on from an earlier checkpoint
                read_best(run.folder, done)
                return done
        files.remove(f"{run.folder}/{DONE}")  # or: why it was over, by a driver that was killed before it said so
        return _train(run, told)


@contextmanager
def _alone(run: Run) -> Iterator[None]:
    """Stopped if another process trains this very run here. Object stores have no locks: a scheduler must see to it."""
    if "://" in run.folder:
        yield
        return
    os.makedirs(run.folder, exist_ok=True)
    with open(f"{run.folder}/.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Stopped("another process trains this very model now") from None
        yield


def _train(run: Run, told: Told) -> dict[str, Any]:
    board: Any = _Board.options(num_cpus=0).remote()  # type: ignore[attr-defined]
    listener = _Listener(board, told)
    logging.getLogger("ray.train").setLevel(logging.ERROR)
    gpu = run.workers.device == "cuda"
    threads = run.workers.threads or _threads(run.workers)
    with tempfile.TemporaryDirectory(prefix="shopbatch-train-") as aside:  # Ray Train's own state: ours is run.folder
        here = "://" not in run.folder
        trainer = _Trainer(
            work,
            train_loop_config={"run": run, "board": board, "threads": threads},
            torch_config=TorchConfig(backend="nccl" if gpu else "gloo"),
            scaling_config=ScalingConfig(
                num_workers=run.workers.count,
                use_gpu=gpu,
                resources_per_worker={"CPU": _share(run.workers, threads)} | ({"GPU": 1} if gpu else {}),
            ),
            run_config=RunConfig(
                name=new_run_id(),
                storage_path=aside if here else f"{run.folder}/ray",
                failure_config=FailureConfig(max_failures=run.workers.retries),
            ),
        )
        try:
            with listener:
                trainer.fit()
        except WorkerGroupError as error:
            raise _cause(error) from error
        finally:
            ray.kill(board)
    found = finished(run)
    if found is None:
        raise Stopped("training ended without a result")
    if "step" not in found:
        files.remove(f"{run.folder}/{DONE}")
    if "mistake" in found:
        raise UserError(found["mistake"])
    if "diverged" in found:
        raise GateRefused(f"training diverged: {found['diverged']}")
    return found


def finished(run: Run) -> dict[str, Any] | None:
    """The last state of a run that is over, else None."""
    fs, path = files.filesystem(f"{run.folder}/{DONE}")
    try:
        with fs.open_input_stream(path) as stream:
            return dict(json.loads(stream.read()))
    except FileNotFoundError:
        return None


def work(context: dict[str, Any]) -> None:
    """One worker, inside Ray Train's process group."""
    import torch

    from shopbatch.training.checkpoints import Checkpoints
    from shopbatch.training.loop import Data, Diverged, Trainer
    from shopbatch.training.parallel import Parallel

    guard_logs()
    run: Run = context["run"]
    torch.set_num_threads(context["threads"])
    parallel = Parallel(run.workers.strategy, run.workers.device)
    board = context["board"]
    checkpoints = Checkpoints(run.folder, run.key, parallel, run.workers.keep, board.say.remote)
    data = Data(run.pack.read("train"), run.pack.read("val"))
    told: list[tuple[int, dict[str, float]]] = []
    pushed = time.monotonic()

    def log(step: int, values: Mapping[str, float]) -> None:
        nonlocal pushed
        if parallel.rank == 0:
            told.append((step, dict(values)))
            if time.monotonic() - pushed > 1.0 or "validation_loss" in values:
                board.push.remote(list(told))
                told.clear()
                pushed = time.monotonic()

    try:
        trainer = Trainer(run.plan.build(run.workers.recompute), data, run.loop, parallel, checkpoints, log)
        state = trainer.prepare(compiled=run.workers.compile, checkpoint_steps=run.workers.checkpoint_steps)
        result = trainer.run(state).tree()
    except (Diverged, UserError) as error:  # the same on every worker, and on every retry
        result = {"mistake" if isinstance(error, UserError) else "diverged": str(error)}
    if parallel.rank == 0:
        ray.get(board.push.remote(told))
        files.write_bytes(f"{run.folder}/{DONE}", json.dumps(result).encode())


class _Trainer(TorchTrainer):  # type: ignore[misc]
    """Ray Train would take Ctrl-C for itself and end the process with 0; signals are the job's."""

    def _register_sigint_handler(self, controller: Any) -> None:
        pass


def _threads(workers: WorkersConfig) -> int:
    """CPUs of the cluster's smallest node, shared by the workers, as if all ran on it; at least 1."""
    cpus = [node["Resources"].get("CPU", 1.0) for node in ray.nodes() if node["Alive"]]
    return max(1, math.floor(float(min(cpus)) / workers.count))


def _share(workers: WorkersConfig, threads: int) -> float:
    """CPUs asked of Ray: less than all, so that the controller and the board find a place."""
    total = float(ray.cluster_resources().get("CPU", 1.0))
    return min(float(threads), 0.9 * total / workers.count)


def _cause(error: WorkerGroupError) -> BaseException:
    """What a worker's failure means for the driver."""
    for failure in error.worker_failures.values():
        found: BaseException | None = failure
        while found is not None:
            inner = getattr(found, "cause", None) or found.__cause__
            if isinstance(found, UserError):
                return UserError(str(found))
            if files.is_full(found):
                return OSError(errno.ENOSPC, "no space left for checkpoints")
            found = inner
    lost = [f for f in error.worker_failures.values() if isinstance(f, RayError)]
    if lost:
        return Stopped(f"{len(lost)} workers were lost ({type(lost[0]).__name__})")
    return RuntimeError(str(error))


@ray.remote
class _Board:
    """What the first worker tells, kept until the driver fetches it."""

    def __init__(self) -> None:
        self.told: list[tuple[int, dict[str, float]]] = []
        self.said: list[str] = []

    def say(self, line: str) -> None:
        self.said.append(line)

    def push(self, told: list[tuple[int, dict[str, float]]]) -> None:
        self.told += told

    def take(self) -> tuple[list[tuple[int, dict[str, float]]], list[str]]:
        told, self.told = self.told, []
        said, self.said = self.said, []
        return told, said


class _Listener:
    """Fetches what is told and hands it on, in a thread of its own, for the length of the block."""

    def __init__(self, board: Any, told: Told) -> None:
        self.board, self.told, self.over = board, told, threading.Event()
        self.thread = threading.Thread(target=self._listen, name="training", daemon=True)

    def __enter__(self) -> None:
        self.thread.start()

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join(timeout=10)
        self._fetch()

    def _listen(self) -> None:
        while not self.over.wait(1.0):
            self._fetch()

    def _fetch(self) -> None:
        try:
            told, said = ray.get(self.board.take.remote(), timeout=10)
            for line in said:
                print(f"shopbatch: {line}", file=sys.stderr, flush=True)
            for step, values in told:
                self.told(step, values)
        except RayError:  # the board is gone with its node: the run does not need it
            self.over.set()
