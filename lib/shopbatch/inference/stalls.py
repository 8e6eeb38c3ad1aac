"""Checks for why the workers of an inference run make no progress; `runs.stalls` runs them and reports the cause."""

from __future__ import annotations

import time
from contextlib import suppress

from shopbatch.core.sessions import actor_cpus, ray_parent
from shopbatch.inference.journal import State
from shopbatch.inference.unit import Task
from shopbatch.runs import stalls
from shopbatch.runs.stalls import Look
from shopbatch.warehouse import files, state_files
from shopbatch.warehouse.checksums import DamagedFile


def looks(task: Task, workers: int, root: str) -> list[Look]:
    """Return the checks to run when no receipt arrives, the surest cause first.

    Args:
        task: The data that the workers got.
        workers: Number of workers.
        root: Path or URI of the warehouse.

    Returns:
        Functions that each return a sentence about a cause that they found, or None.
    """
    needs = {"CPU": actor_cpus(workers)}
    if task.spec.stage.gpus:
        needs["GPU"] = float(task.spec.stage.gpus)
    disks = stalls.full_disk(ray_parent(), *([] if "://" in root else [root]))
    return [
        disks,
        stalls.lost_nodes,
        stalls.full_object_store,
        in_flight(task),
        stalls.no_slot(needs),
        stalls.busy_machine,
    ]


def in_flight(task: Task) -> Look:
    """Return a check that reports engine calls which have not returned and workers that died.

    The check reads the journals, in which workers record the rows of each engine call.
    """

    def look() -> str | None:
        journals, now = _journals(task.journals), time.time()
        deaths = sum(state["deaths"] for state, _ in journals)
        calls = [now - began for state, began in journals if state["inflight"]]
        if not calls:
            return None
        limit = task.config.timeout_seconds
        text = f"{len(calls)} engine calls have not returned, the oldest for {max(calls):.0f} s"
        text += f"; each is ended after timeout_seconds={limit:g}, and its rows are tried one by one"
        if deaths:
            text = f"{deaths} worker processes have died and been replaced, look into the log; {text}"
        return text

    return look


def _journals(folder: str) -> list[tuple[State, float]]:
    """Return the journals of the units that are not done: (state, time of the file's last change in Unix seconds)."""
    fs, path = files.filesystem(folder)
    states = []
    for info in files.entries(fs, path):
        if info.base_name.startswith(".") or not info.base_name.endswith(".json"):  # being written, or set aside
            continue
        with suppress(DamagedFile):  # the worker that takes the unit sets it aside
            state: State | None = state_files.load(f"{folder}/{info.base_name}", State)
            if state is not None:  # else the unit is done
                states.append((state, info.mtime.timestamp()))
    return states
