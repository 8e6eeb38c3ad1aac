"""Ray Train: the loop on N workers, restarted when one is lost. `train` runs on the driver and returns at the end."""

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

_STATE = {"step", "best", "best_step", "tokens", "stopped", "history"}  # of `loop.State`, which needs torch


def check_devices(workers: WorkersConfig, platform: Platform) -> None:
    """Check that a local Ray has the GPUs that the workers need.

    Raises:
        UserError: It has fewer. No node will join a local Ray, so Ray would wait for ever.
    """
    gpus = int(ray.cluster_resources().get("GPU", 0))
    if workers.device == "cuda" and platform.ray_address is None and gpus < workers.count:
        raise UserError(f"workers.device=cuda with workers.count={workers.count}: this machine has {gpus} GPUs for Ray")


def train(run: Run, on_step: OnStep) -> dict[str, Any]:
    """Train, or resume where a killed run stopped; a finished run returns at once.

    Args:
        run: The run.
        on_step: Called in the driver as steps are done, with the step and named numbers.

    Returns:
        The last state of the run, as `State.tree` makes it.

    Raises:
        GateRefused: The training diverged.
        UserError: The model cannot be trained, or a checkpoint belongs to another run.
        OSError: No space left for checkpoints.
        Stopped: Workers were lost too often, or another process trains the same model.
    """
    batch_share(run.loop, run.workers.count)
    with _lock(run):
        done = finished(run)
        if done is not None and done.keys() >= _STATE:  # a damaged file may hold less
            with suppress(CheckpointError):  # the worker reports it when it resumes from an earlier checkpoint
                check_best(run.folder, done)
                return done
        # also removes a refusal that a driver left unread because it was killed first
        files.remove(f"{run.folder}/{DONE}")
        run_workers(run, on_step)
        return _result(run)


@contextmanager
def _lock(run: Run) -> Iterator[None]:
    """Hold the run's lock inside the block. Object stores have no locks: there, the scheduler must prevent two runs.

    Raises:
        Stopped: Another process holds it.
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
    """Run the workers to their end; the first one writes how the run ended. Raises OSError or Stopped as `train`."""
    board: Any = Board.options(num_cpus=0).remote()  # type: ignore[attr-defined]
    logging.getLogger("ray.train").setLevel(logging.ERROR)
    threads = run.workers.threads or _threads(run.workers)
    with scratch("shopbatch-train-") as ray_state:  # our own checkpoints are in run.folder
        trainer = _trainer(run, board, threads, str(ray_state) if "://" not in run.folder else f"{run.folder}/ray")
        try:
            with Listener(board, on_step):
                trainer.fit()
        except WorkerGroupError as error:
            raise _cause(error) from error
        finally:
            ray.kill(board)


def _result(run: Run) -> dict[str, Any]:
    """Return the last state of a run that has ended, or raise why it failed."""
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
    gpu = run.workers.device == "cuda"
    # less than all CPUs, so that Ray Train's controller and the board can be scheduled
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
    """Leaves Ctrl-C to the job: Ray Train would handle it itself and end the process with exit code 0."""

    def _register_sigint_handler(self, controller: Any) -> None:
        pass


def _threads(workers: WorkersConfig) -> int:
    """Return the CPUs of the cluster's smallest node, shared as if all workers ran on it; at least 1."""
    cpus = [node["Resources"].get("CPU", 1.0) for node in ray.nodes() if node["Alive"]]
    return max(1, math.floor(float(min(cpus)) / workers.count))


def _cause(error: WorkerGroupError) -> BaseException:
    """Return the error that the driver must raise for the failure of workers."""
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
