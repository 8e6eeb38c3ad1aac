"""Claims: if several runs would do the same work at the same time, one does it and the others wait for its result.

A claim is a Delta table without rows, `<warehouse>/_runs/_claims/<name>`. The metadata of its newest commit names the
holder: the run that works. A commit is the one operation that is atomic both in a folder and in an object store. So if
two runs take a claim at the same moment, or take it over from the same dead run, one of them is refused.

A claim only saves work; it protects no data, and a run's result is checked as if there were no claims. So no harm is
done if a holder was taken for dead by mistake (its machine was asleep) and then continues.

- No deadlock: a run waits only while it holds no claim.
- Clocks of two machines are never compared. A holder is dead when its heartbeat has not changed for STALE seconds by
  the clock of the waiting run. On the same machine it is dead as soon as its process has gone.
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

POLL = 1.0  # seconds between two checks of a claim that another run holds


@dataclass(frozen=True)
class Waited:
    """The runs for which this run has waited, for the report's message.

    Attributes:
        runs: The runs, each as `run R of host H`.
        done: Whether the last of these runs finished its work; if not, it stopped or died.
    """

    runs: tuple[str, ...]
    done: bool

    def __str__(self) -> str:
        return f"waited for {', '.join(self.runs)}, which was doing the same"


class _Held(Exception):
    """Raised when another run holds the claim.

    Args:
        holder: The metadata of that run: run_id, host, token, ...
    """

    def __init__(self, holder: Mapping[str, Any]) -> None:
        super().__init__()
        self.holder = holder


@contextmanager
def claim(store: Store, report: Report, key: str, wait: bool | float, doing: str) -> Iterator[Waited | None]:
    """Take a claim for the duration of the block; if another living run holds it, wait for that run first.

    A claim that is damaged cannot be used; then the block runs without it.

    Args:
        store: The warehouse.
        report: The report of this run. The waiting time is recorded there as the stage "wait".
        key: Name of the work within the job: runs with equal keys do the same work.
        wait: Whether to wait; a number is the longest waiting time in seconds.
        doing: What the holder does, for the message: "computes this recipe".

    Yields:
        The runs for which this run has waited; None if the claim was free.

    Raises:
        Stopped: Another run holds the claim, and `wait` is false or the waiting time is over.
    """
    from deltalake.exceptions import DeltaError

    mine = _Claim(store, report, key)
    waited = None
    try:
        if (holder := mine.take()) is not None:
            with report.stage("wait"):
                waited = mine.take_later(holder, float("inf") if wait is True else float(wait), doing)
    except (DeltaError, ValueError, KeyError, TypeError) as error:  # the claim's table is damaged
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
    """One claim, as one run takes it and gives it back.

    Attributes:
        store: The warehouse.
        report: The report of this run.
        key: Name of the work within the job: runs with equal keys do the same work.
        token: A random id, by which the claim's metadata names this run as holder.
        last: The metadata of the newest commit before this run took the claim.
    """

    store: Store
    report: Report
    key: str
    token: str = field(default_factory=lambda: uuid4().hex)
    last: Mapping[str, Any] = field(default_factory=dict)  # metadata before this run took the claim

    def _table(self) -> Table:
        """Return the declaration of the claim's Delta table, which never has rows."""
        import pyarrow as pa

        from shopbatch.tables.schema import Column, Table

        name = re.sub(r"\W", "_", f"{self.report.job}_{self.key}".lower())[:100]
        return Table(name, "Which run works on what; it has no rows.", (), (Column("run", pa.string(), "Unused."),))

    def _commit(self, key: str, metadata: Mapping[str, Any], dead: str | None) -> None:
        """Commit a change of the claim's holder to the claim's Delta table.

        Args:
            key: A unique name for this commit, by which a retry recognises that the commit was made already.
            metadata: `holder` with the new holder, or with None to give the claim back.
            dead: Token of a dead run that may be replaced; None if there is none.

        Raises:
            _Held: The holder is neither this run nor the dead one.
        """
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
            except DamagedFile as damage:  # a claim protects no data, so a damaged one counts as free
                if last:
                    raise
                state_files.set_aside(DamagedFile(store.uri(table.name), damage.why), "the claim is made anew")
            else:
                return

    def take(self, dead: str | None = None) -> Mapping[str, Any] | None:
        """Try to take the claim, also from a dead holder.

        Args:
            dead: Token of a dead run from which the claim may be taken over; None if there is none.

        Returns:
            None if this run now holds the claim, otherwise the run that holds it.
        """
        holder = {
            "token": self.token,
            "run_id": self.report.run_id,
            "host": socket.gethostname(),
            "machine": _machine(),
            "pid": os.getpid(),
            "born": born(os.getpid()),
            "beats": self.report.pid is not None,  # a run without a record has no heartbeat
        }
        try:
            self._commit(self.token, {"holder": holder}, dead)
        except _Held as error:
            return error.holder
        return None

    def take_later(self, holder: Mapping[str, Any] | None, seconds: float, doing: str) -> Waited:
        """Wait until the holder gives the claim back or is dead, then take the claim.

        Args:
            holder: The run that holds the claim.
            seconds: The longest waiting time.
            doing: What the holder does, for the message: "computes this recipe".

        Returns:
            The runs for which this run has waited.

        Raises:
            Stopped: The waiting time is over.
        """
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
        """Give the claim back, unless another run has taken this one for dead and holds the claim now.

        If the store is full or does not answer, the claim cannot be given back; another run takes it over once this
        run's heartbeat has ended.

        Args:
            done: Whether this run finished its work.
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
    """Watches whether the run that holds a claim is alive, by its process on this machine or by its heartbeat file.

    Attributes:
        store: The warehouse.
        job: Name of the job.
        seen: The holder's token and the content of its heartbeat at the last change; None before the first check.
        since: Time of that change, by this process's monotonic clock, in seconds.
    """

    store: Store
    job: str
    seen: tuple[Any, bytes] | None = None
    since: float = 0.0

    def is_dead(self, holder: Mapping[str, Any]) -> bool:
        """Return True if the run that holds the claim is dead.

        On the same machine it is dead if its process has gone. It is also dead if its heartbeat has not changed for
        STALE seconds; this needs several calls over that time.

        Args:
            holder: The metadata of that run, as the claim's newest commit states it.
        """
        here = holder["machine"] is not None and holder["machine"] == _machine()
        is_gone = here and born(holder["pid"]) != holder["born"]
        if is_gone or (here and not holder["beats"]):
            return is_gone
        now = holder["token"], self._heartbeat(holder["run_id"])
        if now != self.seen:
            self.seen, self.since = now, time.monotonic()
        return time.monotonic() - self.since > STALE

    def _heartbeat(self, run_id: str) -> bytes:
        """Return the content of a run's heartbeat.json; b"" if there is none or it cannot be read."""
        from shopbatch.warehouse import files

        fs, path = files.filesystem(f"{run_folder(self.store.root, self.job, run_id)}/heartbeat.json")
        try:
            with fs.open_input_stream(path) as stream:
                return bytes(stream.read())
        except FileNotFoundError:
            return b""
        except OSError as error:  # the file cannot be read: no sign of life
            if files.is_lost_connection(error):
                raise
            return b""


def _machine() -> str | None:
    """Return an id that is equal for processes that can see each other's process ids; None if unknown (not Linux).

    It consists of the boot id of the system and the process namespace of the container.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:  # not Linux: then only heartbeats count
        return None
