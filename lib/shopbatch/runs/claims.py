"""Claims: of several runs that would do the same work at the same time, one does it and the others wait for its result.

A claim is a Delta table without rows, `<warehouse>/_runs/_claims/<name>`. The metadata of its newest commit says which
run holds it. A commit is the one step that is atomic in a folder and in an object store alike, so of two runs that take
a claim at the same moment, or take it over from the same dead run, one is refused.

A claim saves work and protects nothing: what a run publishes is checked as if there were no claims. So a holder that
was taken for dead by mistake (its machine was asleep) does no harm when it goes on.

- No deadlock: a run waits only while it holds no claim.
- Clocks of two machines are never compared. A holder is dead when its heartbeat has not changed for STALE seconds by
  the clock of the run that waits, and on the same machine as soon as its process has gone.
"""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from shopbatch.core import display
from shopbatch.core.crash_points import crash_point
from shopbatch.core.errors import Stopped, one_line
from shopbatch.runs.history import STALE
from shopbatch.runs.processes import born
from shopbatch.runs.report import Report, run_folder

if TYPE_CHECKING:
    from shopbatch.tables.schema import Table
    from shopbatch.warehouse.store import Snapshot, Store

POLL = 1.0  # seconds between two looks at a claim that another run holds


@dataclass(frozen=True)
class Waited:
    """For whom a run has waited.

    Attributes:
        runs: The runs, each as `run R of host H`.
        done: Whether the last of them did its work to the end; if not, it stopped or died.
    """

    runs: tuple[str, ...]
    done: bool

    def __str__(self) -> str:
        return f"waited for {', '.join(self.runs)}, which was doing the same"


class _Held(Exception):
    """Another run holds the claim."""

    def __init__(self, holder: Mapping[str, Any]) -> None:
        super().__init__()
        self.holder = holder


@contextmanager
def claim(store: Store, report: Report, key: str, wait: bool | float, doing: str) -> Iterator[Waited | None]:
    """Hold the claim inside the block; wait for it while a run that is alive holds it.

    Args:
        store: The warehouse.
        report: The report of this run. Waiting is a stage of it.
        key: What is claimed within the job: equal keys are the same work.
        wait: Whether to wait; as a number, for at most so many seconds.
        doing: What the holder is doing, for the message: "computes this recipe".

    Yields:
        For whom this run has waited; None if the claim was free.

    Raises:
        Stopped: Another run holds the claim, and this one is not to wait (any longer).
    """
    from deltalake.exceptions import DeltaError

    mine = _Claim(store, report, key)
    waited = None
    try:
        if (holder := mine.take()) is not None:
            with report.stage("wait"):
                waited = mine.take_later(holder, float("inf") if wait is True else float(wait), doing)
    except (DeltaError, ValueError, KeyError, TypeError) as error:  # somebody or a crash has damaged it
        display.current().note(f"the claim cannot be used, the run goes on without it ({one_line(error, 200)})")
        yield None
        return
    done = False
    try:
        crash_point("claimed")
        yield waited
        done = True
    finally:
        mine.give_back(done)


@dataclass
class _Claim:
    """One claim, as one run sees it."""

    store: Store
    report: Report
    key: str
    token: str = field(default_factory=lambda: uuid4().hex)
    last: Mapping[str, Any] = field(default_factory=dict)  # what the newest commit said before this run took it

    def _table(self) -> Table:
        import pyarrow as pa

        from shopbatch.tables.schema import Column, Table

        name = re.sub(r"\W", "_", f"{self.report.job}_{self.key}".lower())[:100]
        return Table(name, "Which run works on what; it has no rows.", (), (Column("run", pa.string(), "Unused."),))

    def _commit(self, key: str, metadata: Mapping[str, Any], dead: str | None) -> None:
        """Commit who holds the claim. _Held: a run does that is neither this one nor `dead`."""
        from shopbatch.warehouse import state_files
        from shopbatch.warehouse.checksums import DamagedFile
        from shopbatch.warehouse.store import Store

        def guard(newest: Snapshot) -> None:
            self.last = newest.metadata
            holder = newest.metadata.get("holder")
            if holder is not None and holder["token"] not in (self.token, dead):
                raise _Held(holder)

        store, table = Store(f"{self.store.root}/_runs/_claims"), self._table()
        for last in (False, True):
            try:
                store.commit(table, [], "rewrite", key, metadata, guard=guard)
            except DamagedFile as damage:  # a claim protects nothing, so that a damaged one is free
                if last:
                    raise
                state_files.set_aside(DamagedFile(store.uri(table.name), damage.why), "the claim is made anew")
            else:
                return

    def take(self, dead: str | None = None) -> Mapping[str, Any] | None:
        """Take the claim, also from the holder whose token is `dead`. Returns who holds it instead."""
        holder = {
            "token": self.token,
            "run_id": self.report.run_id,
            "host": socket.gethostname(),
            "machine": _machine(),
            "pid": os.getpid(),
            "born": born(os.getpid()),
            "beats": self.report.pid is not None,  # a run that is not on record has no heartbeat
        }
        try:
            self._commit(self.token, {"holder": holder}, dead)
        except _Held as error:
            return error.holder
        return None

    def take_later(self, holder: Mapping[str, Any] | None, seconds: float, doing: str) -> Waited:
        """Take the claim as soon as its holder gives it back or is dead."""
        from shopbatch.core.privacy import clean

        signs, names, began = _Signs(self.store, self.report.job), list[str](), time.monotonic()
        while holder is not None:
            name = clean(f"run {holder['run_id']} of host {holder['host']}")
            dead = signs.is_dead(holder)
            if not dead:
                if time.monotonic() - began >= seconds:
                    limit = "" if not seconds else f", for more than wait={seconds:g} seconds"
                    raise Stopped(f"{name} {doing}{limit}")
                if name not in names:
                    names.append(name)
                    display.current().note(f"{name} {doing}; waiting for it")
                    crash_point("waiting")
                time.sleep(min(POLL, seconds))
            else:
                names += [] if name in names else [name]
                display.current().note(f"{name} has died; this run takes over")
            holder = self.take(holder["token"] if dead else None)
        return Waited(tuple(names), bool(self.last.get("done")))

    def give_back(self, done: bool) -> None:
        """Give the claim back, unless another run has taken this one for dead and holds it now.

        A claim that a store without space or connection keeps is taken over when this run's heartbeat has ended.
        """
        from deltalake.exceptions import DeltaError

        try:
            self._commit(f"{self.token}/end", {"holder": None, "done": done}, None)
        except _Held:
            display.current().note("another run took this one for dead and did the same work")
        except (OSError, DeltaError, ValueError, KeyError, TypeError) as error:
            display.current().note(f"the claim could not be given back ({one_line(error, 200)})")


@dataclass
class _Signs:
    """The signs of life of the runs of a job, as far as this process can see them."""

    store: Store
    job: str
    seen: tuple[Any, bytes] | None = None
    since: float = 0.0

    def is_dead(self, holder: Mapping[str, Any]) -> bool:
        """Whether the process of a run has gone, or has given no sign of life for STALE seconds."""
        here = holder["machine"] is not None and holder["machine"] == _machine()
        is_gone = here and born(holder["pid"]) != holder["born"]
        if is_gone or (here and not holder["beats"]):
            return is_gone
        now = holder["token"], self._heartbeat(holder["run_id"])
        if now != self.seen:
            self.seen, self.since = now, time.monotonic()
        return time.monotonic() - self.since > STALE

    def _heartbeat(self, run_id: str) -> bytes:
        from shopbatch.warehouse import files

        fs, path = files.filesystem(f"{run_folder(self.store.root, self.job, run_id)}/heartbeat.json")
        try:
            with fs.open_input_stream(path) as stream:
                return bytes(stream.read())
        except FileNotFoundError:
            return b""
        except OSError as error:  # a folder in its place, or it may not be read: no sign of life
            if files.is_lost_connection(error):
                raise
            return b""


def _machine() -> str | None:
    """What processes share that see each other by their ids: the system since its start, and the container."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:  # no Linux: heartbeats say enough
        return None
