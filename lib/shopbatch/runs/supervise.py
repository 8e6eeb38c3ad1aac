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
STOP_SECONDS = 100.0  # that a signal leaves the run to stop in good order; native code may not even notice it
SECOND_SECONDS = 5.0  # that a second signal leaves it
EXIT_SECONDS = 30.0  # that the process may take to end once its run has ended
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
        status = watch.wait()
        with suppress(ProcessLookupError):  # what the run has started and left, such as a JVM that was still starting
            os.killpg(child, signal.SIGKILL)
    finally:
        os.close(reading)
        for number, handler in handlers.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
    if "code" in run:  # the report is written; a crash of native code while the process ended changes nothing
        return int(run["code"])
    if "run_id" not in run and os.WIFEXITED(status):  # ended before the run began, such as by the user's mistake
        return os.WEXITSTATUS(status)
    return _report_death(run, watch.why_killed() or _cause(status))


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
        passed: The signals that the child has got, each with that time; several within GRACE are one.
        killed: Whether the child was killed because it did not end.
    """

    child: int
    reading: int
    waiting: list[tuple[int, float]] = field(default_factory=list)
    passed: list[tuple[int, float]] = field(default_factory=list)
    killed: bool = False

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
            self._end_late()
        return run

    def wait(self) -> int:
        """Return the status of the child, which has said all; it is killed if it does not end."""
        until = time.monotonic() + EXIT_SECONDS
        while (ended := os.waitpid(self.child, os.WNOHANG))[0] == 0 and time.monotonic() < until:
            time.sleep(0.02)
        if ended[0] == 0:
            os.kill(self.child, signal.SIGKILL)
            ended = os.waitpid(self.child, 0)
        return ended[1]

    def why_killed(self) -> str | None:
        """Say why this process has killed the child; None if it has not."""
        if not self.killed:
            return None
        name = signal.Signals(self.passed[0][0]).name
        return f"was killed: {name} came, and it did not stop within {time.monotonic() - self.passed[0][1]:.0f} s"

    def _end_late(self) -> None:
        """Kill a child that has got a signal and does not stop, sooner if it has got a second one."""
        if not self.passed or self.killed:
            return
        until = self.passed[0][1] + STOP_SECONDS
        if len(self.passed) > 1:
            until = min(until, self.passed[1][1] + SECOND_SECONDS)
        if time.monotonic() >= until:
            self.killed = True
            with suppress(ProcessLookupError):
                os.kill(self.child, signal.SIGKILL)

    def _pass_on(self, signalled: float) -> None:
        """Pass on the signals that have waited long enough.

        Args:
            signalled: When the child last got a signal, by the clock of `time.monotonic`, which all processes share.
        """
        now = time.monotonic()
        for number, came in [each for each in self.waiting if now - each[1] >= GRACE]:
            self.waiting.remove((number, came))
            if not self.passed or came > self.passed[-1][1] + GRACE:
                self.passed.append((number, came))
            if signalled < came - GRACE:
                with suppress(ProcessLookupError):  # it has ended, and its end is about to be read
                    os.kill(self.child, number)


def _report_death(run: dict[str, Any], cause: str) -> int:
    """Write the report of a run whose process died, print it, and return the exit code."""
    from shopbatch.runs.outcomes import RESUME, STOPPED

    message, line, trouble = f"the process that ran the job {cause}; {RESUME}", "", ""
    if "run_id" in run:  # before anything is printed: nobody may read what is printed
        from shopbatch.runs.history import close_lost

        try:
            line = close_lost(run, message)
        except OSError as error:
            trouble = f"shopbatch: the report could not be written to {run['warehouse']} ({error})"
    with suppress(OSError):  # the reader has gone
        print(f"shopbatch: stopped: {message}", file=sys.stderr, flush=True)
        if trouble:
            print(trouble, file=sys.stderr, flush=True)
        if line:
            print(line, flush=True)
    return STOPPED


def _cause(status: int) -> str:
    """Say what ended the child, as far as its status tells."""
    if not os.WIFSIGNALED(status):
        hint = ", as Ray's core does when the local Ray has died"
        return f"ended without a report (exit code {os.WEXITSTATUS(status)}{hint})"
    name = signal.Signals(os.WTERMSIG(status)).name
    hint = ", as the system does when memory runs out" if name == "SIGKILL" else ""
    return f"was killed by {name}{hint}"
