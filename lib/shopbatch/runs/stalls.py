"""Detects that a stage makes no progress, and writes the cause and the remedy into the log and the report.

A thread checks the time since the last progress. The checks for causes are cheap: free resources of Ray, lost nodes,
full disks, load of the machine. Stages add checks of their own.
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
Look = Callable[[], str | None]  # a check: returns cause and remedy, None if it finds nothing
INTERRUPT = signal.SIGURG  # ignored by default, so that a lost handler cannot end the run
FULL = 0.95  # used share of a disk above which Ray writes no objects there
NOTHING = "nothing wrong was seen"


class Stalled(KeyboardInterrupt):
    """Raised in a stage that stands still, so that the stage begins again.

    It is a KeyboardInterrupt because Ray's waiting functions swallow every other exception.
    """


class Stalls:
    """Watches one stage, inside a `with` block, and reports the cause if it makes no progress.

    After `seconds` without progress, and again after each further `seconds`, it calls the checks in `looks` and reports
    the first cause found.

    Args:
        report: Its `diagnosis` gets a line for each cause that was found.
        stage: The stage's name.
        seconds: Seconds without a call of `moved` after which the checks are called.
        looks: Checks for causes, the most reliable first. Each returns the cause and remedy as text, or None if it
            finds nothing.
        restart: Whether `waiting` raises Stalled if no check finds a cause after two times `seconds`. It is raised
            again after each further `seconds`, since Python drops an exception that is raised in a destructor.
    """

    def __init__(
        self, report: Report, stage: str, seconds: float, looks: Sequence[Look], restart: bool = False
    ) -> None:
        self.report, self.stage, self.seconds, self.looks = report, stage, seconds, looks
        in_main = threading.current_thread() is threading.main_thread()  # Python runs signal handlers only there
        self.restart = self._handles = restart and in_main
        self._last, self._looked, self._waits = time.monotonic(), 0, False
        self._said: set[str] = set()  # the causes reported so far, without their numbers
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
        self._thread.join(timeout=5)  # a check that hangs must not hold up the run
        if self._handles:
            signal.signal(INTERRUPT, signal.SIG_DFL if self._handler is None else self._handler)

    def moved(self) -> None:
        """Note that the stage has made progress, which restarts the timer."""
        self._last, self._looked = time.monotonic(), 0

    def waiting(self, items: Iterable[T]) -> Iterator[T]:
        """Yield the items and count each one as progress.

        Raises:
            Stalled: No item has come for a long time, no check finds a cause, and `restart` is set. It is raised only
                while this method waits for the next item, never in the caller's code.
        """
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
        """Look for causes each time that `seconds` pass without progress; the body of the thread."""
        while not self._over.wait(min(1.0, self.seconds / 4)):
            still = time.monotonic() - self._last
            if still < self.seconds * (self._looked + 1):
                continue
            self._looked += 1
            cause = next(filter(None, (_safe(look) for look in self.looks)), None)
            if self._over.is_set():  # a check took longer than the stage, whose signal handler may be gone
                return
            if cause is None and self._looked > 1 and self.restart and self._waits:
                signal.pthread_kill(threading.main_thread().ident or 0, INTERRUPT)
            else:
                self._say(still, cause)

    def _say(self, still: float, cause: str | None) -> None:
        """Report why the stage stands still, unless the same cause was reported before.

        Args:
            still: Seconds without progress.
            cause: The cause and remedy; None if no check found one.
        """
        text = cause or f"{NOTHING} ({facts()})"
        if (kind := re.sub(r"[\d.]+", "", text)) not in self._said:
            self._said.add(kind)
            line = clean(f"{self.stage}: no progress for {still:.0f} s: {text}")
            self.report.diagnosis.append(line)
            display.current().note(line)

    def _raise(self, number: int, frame: FrameType | None) -> None:
        """Raise Stalled in the main thread while it waits for an item. This is the handler of the signal INTERRUPT."""
        if self._waits:
            line = f"{self.stage}: begun again, once; what was computed is kept"
            if line not in self.report.diagnosis:
                self.report.diagnosis.append(line)
                display.current().note(line)
            raise Stalled(self.stage)


def _safe(look: Look) -> str | None:
    """Call a check for causes; return None if the check itself fails, for example because Ray has died.

    A failing check must not prevent the checks after it.
    """
    from ray.exceptions import RayError

    try:
        return look()
    except (OSError, RayError, RuntimeError, ValueError) as error:
        display.current().log(f"a look for the cause failed: {one_line(error, 200)}")
        return None


def full_disk(*folders: str) -> Look:
    """Return a check for `Stalls`: is the disk of one of these folders full, so that Ray writes no objects and waits?

    The check returns the cause and remedy as text, or None.
    """

    def look() -> str | None:
        for folder in folders:
            with suppress(FileNotFoundError):
                usage = shutil.disk_usage(folder)
                if usage.used / usage.total > FULL:
                    return f"the disk of {folder} is full ({usage.free / 2**30:.1f} GB free); make space there"
        return None

    return look


def lost_nodes() -> str | None:
    """Check for `Stalls` whether a node of the Ray cluster was lost: return cause and remedy as text, or None."""
    import ray

    lost = [node["NodeManagerHostname"] for node in ray.nodes() if not node["Alive"]]
    return (
        f"node {', '.join(lost)} of the cluster was lost; bring it back, or go on with fewer workers" if lost else None
    )


def full_object_store() -> str | None:
    """Check for `Stalls` whether Ray's object store is full: return cause and remedy as text, or None."""
    import ray

    total = ray.cluster_resources().get("object_store_memory", 0.0)
    free = ray.available_resources().get("object_store_memory", 0.0)
    if not total or free / total > 1 - FULL:
        return None
    return f"Ray's object store is full ({total / 2**20:.0f} MB); raise platform.object_store_mb, or use fewer workers"


def no_slot(needs: Mapping[str, float]) -> Look:
    """Return a check for `Stalls`: does the cluster lack free resources for one more worker?

    The check returns the cause and remedy as text, or None.

    Args:
        needs: Resources that a worker needs, by Ray's names: {"CPU": 1, "GPU": 0.5}.
    """

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
    """Check for `Stalls` whether this machine is overloaded (load above 4 per CPU): return cause and remedy.

    Returns:
        The text; None if the machine is not overloaded.
    """
    load, cpus = os.getloadavg()[0], os.cpu_count() or 1
    return (
        f"this machine is busy (load {load:.0f} on {cpus} CPUs); wait, or end other work" if load > 4 * cpus else None
    )


def facts() -> str:
    """Return the free CPUs and GPUs and the machine's load as text, for the report if no check finds a cause."""
    import ray

    said = []
    if ray.is_initialized():
        total, free = ray.cluster_resources(), ray.available_resources()
        said = [f"{free.get(n, 0.0):g} of {total[n]:g} {n} free" for n in ("CPU", "GPU") if n in total]
    return ", ".join([*said, f"load {os.getloadavg()[0]:.0f} on {os.cpu_count()} CPUs"])
