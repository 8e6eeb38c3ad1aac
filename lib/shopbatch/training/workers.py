"""Runs the training loop on N workers by Ray Train, which replaces lost workers. `train` is called on the driver."""

from __future__ import annotations

import errno
import fcntl
import logging
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import ray
from ray.exceptions import RayError
from ray.train import FailureConfig, RunConfig, ScalingConfig, WorkerGroupError
from ray.train.torch import TorchConfig, TorchTrainer

from shopbatch.core.config import Platform
from shopbatch.core.errors import GateRefused, Stopped, UserError
from shopbatch.core.scratch import scratch
from shopbatch.core.sessions import cluster_cpus
from shopbatch.runs.report import new_run_id
from shopbatch.training.board import Board, Listener, OnStep
from shopbatch.training.checkpoint_files import CheckpointError, check_best
from shopbatch.training.config import WorkersConfig, batch_share
from shopbatch.training.worker import DONE, Run, finished, work
from shopbatch.warehouse import files

_STATE = {"step", "best", "best_step", "tokens", "stopped", "history"}  # of `loop.State`, whose import needs torch


def check_devices(workers: WorkersConfig, platform: Platform) -> None:
    """Raise UserError if a local Ray has fewer GPUs than the workers need, because Ray would wait for them forever.

    On a remote cluster nothing is checked, because nodes may join it.

    Args:
        workers: Number and devices of the workers.
        platform: Tells whether Ray is local.
    """
    gpus = int(ray.cluster_resources().get("GPU", 0))
    if workers.device == "cuda" and platform.ray_address is None and gpus < workers.count:
        raise UserError(f"workers.device=cuda with workers.count={workers.count}: this machine has {gpus} GPUs for Ray")


def train(run: Run, on_step: OnStep) -> dict[str, Any]:
    """Train a run to its end, or resume it where it was killed; a finished run returns at once.

    Args:
        run: The run.
        on_step: Called in the driver as steps are done, with the step and its metrics by name.

    Returns:
        The final state of the run, as `State.tree` returns it.

    Raises:
        GateRefused: The training diverged.
        UserError: The model cannot be trained, or a checkpoint belongs to another run.
        OSError: No space is left for checkpoints.
        Stopped: Workers were lost too often, or another process is training the same run.
    """
    batch_share(run.loop, run.workers.count)
    with _lock(run):
        done = finished(run)
        if done is not None and done.keys() >= _STATE:  # a damaged file may lack fields
            with suppress(CheckpointError):  # damaged best weights: train again; the worker reports it
                check_best(run.folder, done)
                return done
        # also removes the error of a run whose driver was killed before it read the file
        files.remove(f"{run.folder}/{DONE}")
        run_workers(run, on_step)
        return _result(run)


@contextmanager
def _lock(run: Run) -> Iterator[None]:
    """Hold the run's file lock inside this block, so that two processes do not train the same run.

    Object stores have no locks; there the scheduler must not start the same run twice.

    Raises:
        Stopped: Another process holds the lock.
    """
    if "://" in run.folder:
        yield
        return
    os.makedirs(run.folder, exist_ok=True)
    with open(f"{run.folder}/.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Stopped("another process is training this very model") from None
        yield


def run_workers(run: Run, on_step: OnStep) -> None:
    """Start the workers and wait until they end; the first one writes `done.json`.

    Args:
        run: The run.
        on_step: As for `train`.

    Raises:
        OSError, UserError, Stopped: As `train`, if workers failed without writing `done.json`.
    """
    board: Any = Board.options(num_cpus=0).remote()  # type: ignore[attr-defined]
    logging.getLogger("ray.train").setLevel(logging.ERROR)
    threads = run.workers.threads or _threads(run.workers)
    with scratch("shopbatch-train-") as ray_state:  # Ray Train's state; the checkpoints are in run.folder
        trainer = _trainer(run, board, threads, str(ray_state) if "://" not in run.folder else f"{run.folder}/ray")
        try:
            with Listener(board, on_step):
                trainer.fit()
        except WorkerGroupError as error:
            raise _cause(error) from error
        finally:
            ray.kill(board)


def _result(run: Run) -> dict[str, Any]:
    """Return the final state of a run that has ended, or raise the error with which it failed."""
    result = finished(run)
    if result is None:
        raise Stopped("training ended without a result")
    if "step" not in result:
        files.remove(f"{run.folder}/{DONE}")
    if "mistake" in result:
        raise UserError(result["mistake"])
    if "diverged" in result:
        raise GateRefused(f"training diverged: {result['diverged']}")
    return result


def _trainer(run: Run, board: Any, threads: int, storage: str) -> TorchTrainer:
    """Configure Ray Train for a run.

    Args:
        run: The run.
        board: Handle of the actor that passes messages to the driver.
        threads: Number of CPU threads of each worker.
        storage: Folder for Ray Train's own state (path or URI).
    """
    gpu = run.workers.device == "cuda"
    # not all CPUs, so that Ray can also schedule Ray Train's controller and the board
    cpus = min(float(threads), 0.9 * cluster_cpus() / run.workers.count)
    return _Trainer(
        work,
        train_loop_config={"run": run, "board": board, "threads": threads},
        torch_config=TorchConfig(backend="nccl" if gpu else "gloo"),
        scaling_config=ScalingConfig(
            num_workers=run.workers.count,
            use_gpu=gpu,
            resources_per_worker={"CPU": cpus} | ({"GPU": 1} if gpu else {}),
        ),
        run_config=RunConfig(
            name=new_run_id(),
            storage_path=storage,
            failure_config=FailureConfig(max_failures=run.workers.retries),
        ),
    )


class _Trainer(TorchTrainer):  # type: ignore[misc]
    """A TorchTrainer without Ray Train's own handler for Ctrl-C.

    That handler would end the process with exit code 0; the job handles Ctrl-C instead.
    """

    def _register_sigint_handler(self, controller: Any) -> None:
        """Install no signal handler."""
        pass


def _threads(workers: WorkersConfig) -> int:
    """Return the CPUs of the cluster's smallest node divided by the number of workers, at least 1."""
    cpus = [node["Resources"].get("CPU", 1.0) for node in ray.nodes() if node["Alive"]]
    return max(1, math.floor(float(min(cpus)) / workers.count))


def _cause(error: WorkerGroupError) -> BaseException:
    """Return the exception to raise on the driver when workers failed: UserError, OSError, Stopped or RuntimeError."""
    for failure in error.worker_failures.values():
        inner: BaseException | None = failure
        while inner is not None:
            if isinstance(inner, UserError):
                return UserError(str(inner))
            if files.is_full(inner):
                return OSError(errno.ENOSPC, "no space left for checkpoints")
            inner = getattr(inner, "cause", None) or inner.__cause__
    lost = [f for f in error.worker_failures.values() if isinstance(f, RayError)]
    if lost:
        return Stopped(f"{len(lost)} workers were lost ({type(lost[0]).__name__})")
    return RuntimeError(str(error))
