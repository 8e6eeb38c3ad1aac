"""Runs a job in a process of its own and sees to it that its end is known, whatever ends it.

Ray's core ends the process of a driver at once when its raylet dies, the system kills what needs too much memory, and
native code may crash. Nothing in such a process can still write a report. So the command line forks before anything
heavy is loaded: the child runs the job, and this process waits for it and writes the report of a child that could not.

Unix only. Called by `runs.command`; a run inside a Python program (`shopbatch.run`) has no supervisor.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

_FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
_PR_SET_PDEATHSIG = 1
GRACE = 0.3  # seconds within which the child says that a signal reached it, too
_channel: list[int] = []  # in the child: the file descriptor on which it says what it does


def say(**event: Any) -> None:
    """Tell the supervisor, if there is one, that the run has begun or ended.

    Args:
        event: `warehouse`, `job`, `run_id`, `log` and `remote_log` when the run begins; `code` when it has ended and
            its report is written, `signalled` when a signal arrived.
    """
    if _channel:
        os.write(_channel[0], json.dumps(event).encode() + b"\n")


def supervise(work: Callable[[], int]) -> int:
    """Call `work` in a child process and return its exit code; STOPPED if the child died before its run had ended.

    The child returns from this function, too, with what `work` returns, and ends as the process would have ended
    without a supervisor.

    Args:
        work: Runs the job and returns the exit code. It calls `say`.
    """
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _channel.append(writing)
        _be_child(parent)
        return work()
    os.close(writing)
    watch = _Watch(child, reading)
    handlers = {number: signal.signal(number, watch.receive) for number in _FORWARDED}
    try:
        run = watch.follow()
        status = os.waitpid(child, 0)[1]
    finally:
        os.close(reading)
        for number, handler in handlers.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
    if "code" in run:  # the report is written; a crash of native code while the process ended changes nothing
        return int(run["code"])
    if "run_id" not in run and os.WIFEXITED(status):  # ended before the run began, such as by the user's mistake
        return os.WEXITSTATUS(status)
    return _report_death(run, status)


def _be_child(parent: int) -> None:
    """Make this process die with its parent, and receive only the signals that the parent forwards."""
    os.setpgid(0, 0)  # Ctrl-C reaches the whole group of the terminal; it must count once
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


@dataclass
class _Watch:
    """Follows what the child says, and passes signals on to it.

    A cluster's manager may signal every process of a run, this one and the child. The child would take the second one
    for an order to end at once. So a signal is passed on only if the child does not say, within GRACE, that it has it.

    Attributes:
        child: Its process id.
        reading: The file descriptor on which it says what it does.
        waiting: Signals to be passed on, each with the time of its arrival.
    """

    child: int
    reading: int
    waiting: list[tuple[int, float]] = field(default_factory=list)

    def receive(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal that this process got."""
        self.waiting.append((number, time.monotonic()))

    def follow(self) -> dict[str, Any]:
        """Return all that the child has said, at the end of its run or when it is dead."""
        run: dict[str, Any] = {}
        rest = b""
        while "code" not in run:
            if select.select([self.reading], [], [], GRACE / 2)[0]:
                if not (piece := os.read(self.reading, 65_536)):
                    break
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    run |= json.loads(line)
            self._pass_on(float(run.get("signalled", float("-inf"))))
        return run

    def _pass_on(self, signalled: float) -> None:
        """Pass on the signals that have waited long enough.

        Args:
            signalled: When the child last got a signal, by the clock of `time.monotonic`, which all processes share.
        """
        now = time.monotonic()
        for number, came in [each for each in self.waiting if now - each[1] >= GRACE]:
            self.waiting.remove((number, came))
            if signalled < came - GRACE:
                with suppress(ProcessLookupError):  # it has ended, and its end is about to be read
                    os.kill(self.child, number)


def _report_death(run: dict[str, Any], status: int) -> int:
    """Write the report of a run whose process died, print it, and return the exit code."""
    from shopbatch.runs.outcomes import RESUME, STOPPED

    message = f"the process that ran the job {_cause(status)}; {RESUME}"
    print(f"shopbatch: stopped: {message}", file=sys.stderr)
    if "run_id" in run:
        from shopbatch.runs.history import close_lost

        try:
            print(close_lost(run, message), flush=True)
        except OSError as error:
            print(f"shopbatch: the report could not be written to {run['warehouse']} ({error})", file=sys.stderr)
    return STOPPED


def _cause(status: int) -> str:
    """Say what ended the child, as far as its status tells."""
    if not os.WIFSIGNALED(status):
        hint = ", as Ray's core does when the local Ray has died"
        return f"ended without a report (exit code {os.WEXITSTATUS(status)}{hint})"
    name = signal.Signals(os.WTERMSIG(status)).name
    hint = ", as the system does when memory runs out" if name == "SIGKILL" else ""
    return f"was killed by {name}{hint}"
