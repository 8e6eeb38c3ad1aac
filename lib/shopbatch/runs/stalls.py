"""A stage without progress: a thread notices, looks for the cause, and says it, with what to do, in log and report.

The looks are cheap: free resources of Ray, nodes, disks and the load of the machine. Stages add looks of their own.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from types import FrameType, TracebackType
from typing import TypeVar

from shopbatch.core import display
from shopbatch.core.errors import one_line
from shopbatch.core.privacy import clean
from shopbatch.core.signal_stack import own_signal_stack
from shopbatch.runs.report import Report

T = TypeVar("T")
Look = Callable[[], str | None]  # says a cause, and what to do; None: nothing to see
INTERRUPT = signal.SIGURG  # a process that does not handle it ignores it: a lost handler must not end the run
FULL = 0.95  # share of a disk, above which Ray puts no objects there
NOTHING = "nothing wrong was seen"


class Stalled(KeyboardInterrupt):
    """The stage is to be begun again. It is a KeyboardInterrupt because Ray's waits swallow every other exception."""


class Stalls:
    """Watches one stage inside the block.

    Args:
        report: Gets a line for each time that the stage has stood still.
        stage: The stage's name.
        seconds: After so long without `moved`, and again each time it has passed, the causes are looked for.
        looks: Where to look, the surest cause first.
        restart: Whether `waiting` raises Stalled if after twice that time nothing explains the standstill. It does so
            each time that it has passed, since Python drops an exception that is raised in a destructor.
    """

    def __init__(
        self, report: Report, stage: str, seconds: float, looks: Sequence[Look], restart: bool = False
    ) -> None:
        self.report, self.stage, self.seconds, self.looks = report, stage, seconds, looks
        in_main = threading.current_thread() is threading.main_thread()  # Python runs signal handlers only there
        self.restart = self._handles = restart and in_main
        self._last, self._looked, self._waits = time.monotonic(), 0, False
        self._said: set[str] = set()  # the causes, without their numbers
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="stalls", daemon=True)

    def __enter__(self) -> Stalls:
        if self._handles:
            own_signal_stack()
            self._handler = signal.signal(INTERRUPT, self._raise)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join(timeout=5)  # a look that hangs does not hold up the run
        if self._handles:
            signal.signal(INTERRUPT, signal.SIG_DFL if self._handler is None else self._handler)

    def moved(self) -> None:
        """Note that the stage has made progress."""
        self._last, self._looked = time.monotonic(), 0

    def waiting(self, items: Iterable[T]) -> Iterator[T]:
        """Yield the items; each one is progress. Stalled is raised, if at all, while the next one is waited for."""
        iterator = iter(items)
        while True:
            self._waits = True
            try:
                item = next(iterator)
            except StopIteration:
                return
            finally:
                self._waits = False
            self.moved()
            yield item

    def _watch(self) -> None:
        while not self._over.wait(min(1.0, self.seconds / 4)):
            still = time.monotonic() - self._last
            if still < self.seconds * (self._looked + 1):
                continue
            self._looked += 1
            cause = next(filter(None, (_safe(look) for look in self.looks)), None)
            if self._over.is_set():  # a look took longer than the stage, whose handler may be gone
                return
            if cause is None and self._looked > 1 and self.restart and self._waits:
                signal.pthread_kill(threading.main_thread().ident or 0, INTERRUPT)
            else:
                self._say(still, cause)

    def _say(self, still: float, cause: str | None) -> None:
        """Say why the stage stands still, unless that has been said already."""
        text = cause or f"{NOTHING} ({facts()})"
        if (kind := re.sub(r"[\d.]+", "", text)) not in self._said:
            self._said.add(kind)
            line = clean(f"{self.stage}: no progress for {still:.0f} s: {text}")
            self.report.diagnosis.append(line)
            display.current().note(line)

    def _raise(self, number: int, frame: FrameType | None) -> None:
        if self._waits:
            line = f"{self.stage}: begun again, once; what was computed is kept"
            if line not in self.report.diagnosis:
                self.report.diagnosis.append(line)
                display.current().note(line)
            raise Stalled(self.stage)


def _safe(look: Look) -> str | None:
    """Look; a look that fails, such as when Ray has died, explains nothing and must not hide the others."""
    from ray.exceptions import RayError

    try:
        return look()
    except (OSError, RayError, RuntimeError, ValueError) as error:
        display.current().log(f"a look for the cause failed: {one_line(error, 200)}")
        return None


def full_disk(*folders: str) -> Look:
    """Look whether a disk is full: Ray then writes no objects there, and waits."""

    def look() -> str | None:
        for folder in folders:
            with suppress(FileNotFoundError):
                usage = shutil.disk_usage(folder)
                if usage.used / usage.total > FULL:
                    return f"the disk of {folder} is full ({usage.free / 2**30:.1f} GB free); make space there"
        return None

    return look


def lost_nodes() -> str | None:
    """Look whether a node of the cluster has been lost."""
    import ray

    lost = [node["NodeManagerHostname"] for node in ray.nodes() if not node["Alive"]]
    return (
        f"node {', '.join(lost)} of the cluster was lost; bring it back, or go on with fewer workers" if lost else None
    )


def full_object_store() -> str | None:
    """Look whether Ray's memory for objects is used up."""
    import ray

    total = ray.cluster_resources().get("object_store_memory", 0.0)
    free = ray.available_resources().get("object_store_memory", 0.0)
    if not total or free / total > 1 - FULL:
        return None
    return f"Ray's object store is full ({total / 2**20:.0f} MB); raise platform.object_store_mb, or use fewer workers"


def no_slot(needs: Mapping[str, float]) -> Look:
    """Look whether one more worker, which needs these resources, would find them free."""

    def look() -> str | None:
        import ray

        total, free = ray.cluster_resources(), ray.available_resources()
        for name, need in needs.items():
            if need > total.get(name, 0.0):
                return f"a worker needs {need:g} {name} and the cluster has {total.get(name, 0.0):g}; ask for less"
            if need > free.get(name, 0.0) + 1e-6:
                return (
                    f"no {name} is free for a worker ({free.get(name, 0.0):g} of {total[name]:g}, {need:g} needed): "
                    "other work holds them; wait for it, or end it"
                )
        return None

    return look


def busy_machine() -> str | None:
    """Look whether so much else runs on this machine that the run hardly gets a turn."""
    load, cpus = os.getloadavg()[0], os.cpu_count() or 1
    return (
        f"this machine is busy (load {load:.0f} on {cpus} CPUs); wait, or end other work" if load > 4 * cpus else None
    )


def facts() -> str:
    """Say what is free, for a standstill that nothing explains."""
    import ray

    said = []
    if ray.is_initialized():
        total, free = ray.cluster_resources(), ray.available_resources()
        said = [f"{free.get(n, 0.0):g} of {total[n]:g} {n} free" for n in ("CPU", "GPU") if n in total]
    return ", ".join([*said, f"load {os.getloadavg()[0]:.0f} on {os.cpu_count()} CPUs"])
