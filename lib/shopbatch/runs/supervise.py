"""Runs a job in a child process, and writes the report if the child dies without one.

Ray's core ends the driver's process at once when its raylet dies; the system kills a process that needs too much
memory; native code may crash. Nothing in such a process can still write a report. So the command line forks before
anything heavy is loaded. The child runs the job. This process, the supervisor, waits for the child and writes the
report of a child that could not.

Works on Unix only. `runs.command` calls it; a run inside a Python program (`shopbatch.run`) has no supervisor.
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
GRACE = 0.3  # seconds within which the child reports that it got the same signal
STOP_SECONDS = 100.0  # seconds to stop cleanly after a signal; native code may not notice it
SECOND_SECONDS = 5.0  # seconds to stop after a second signal
EXIT_SECONDS = 30.0  # seconds for the process to exit after its run has ended
_channel: list[int] = []  # in the child: the file descriptor to which it writes its events


def say(**event: Any) -> None:
    """Send an event of the run from the child process to the supervisor; do nothing if there is no supervisor.

    Args:
        event: When the run begins: `warehouse`, `job`, `run_id`, `log` and `remote_log`. When it has ended and its
            report is written: `code`, the exit code. When a signal arrived: `signalled`, the time.
    """
    if _channel:
        os.write(_channel[0], json.dumps(event).encode() + b"\n")


def supervise(work: Callable[[], int]) -> int:
    """Call `work` in a child process and return its exit code; STOPPED if the child died before its run had ended.

    The child also returns from this function, with the result of `work`, and then exits as the process would have done
    without a supervisor.

    Args:
        work: Runs the job and returns the exit code. It reports its progress with `say`.
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
        with suppress(ProcessLookupError):  # processes that the run left behind, such as a starting JVM
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
    """Make this process die with its parent, and receive only the signals that the parent forwards.

    Args:
        parent: Process id of the parent.
    """
    os.setpgid(0, 0)  # Ctrl-C signals the terminal's whole process group; the child must get it only once
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


@dataclass
class _Watch:
    """The supervisor's view of the child process: reads its events and forwards signals to it.

    A cluster's manager may signal every process of a run, both supervisor and child. The child would take a second
    signal as an order to end at once. So the supervisor forwards a signal only if the child does not report within
    GRACE seconds that it got the signal itself.

    Attributes:
        child: Process id of the child.
        reading: File descriptor from which the child's events are read.
        waiting: Signals that the supervisor got less than GRACE seconds ago, not yet forwarded: (number, time of
            arrival).
        passed: Signals that the child has got: (number, time of arrival); several within GRACE seconds count as one.
        killed: Whether the supervisor killed the child because it did not stop after a signal.
    """

    child: int
    reading: int
    waiting: list[tuple[int, float]] = field(default_factory=list)
    passed: list[tuple[int, float]] = field(default_factory=list)
    killed: bool = False

    def receive(self, number: int, frame: FrameType | None) -> None:
        """Note a signal that the supervisor got; `follow` forwards it. This is the signal handler."""
        self.waiting.append((number, time.monotonic()))

    def follow(self) -> dict[str, Any]:
        """Read the child's events until its run has ended or it is dead, and return them merged into one mapping."""
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
        """Wait for the child to exit after its run has ended, and return its wait status.

        A child that has not exited after EXIT_SECONDS is killed.
        """
        until = time.monotonic() + EXIT_SECONDS
        while (ended := os.waitpid(self.child, os.WNOHANG))[0] == 0 and time.monotonic() < until:
            time.sleep(0.02)
        if ended[0] == 0:
            os.kill(self.child, signal.SIGKILL)
            ended = os.waitpid(self.child, 0)
        return ended[1]

    def why_killed(self) -> str | None:
        """Return why the supervisor killed the child, for the report's message; None if it did not."""
        if not self.killed:
            return None
        name = signal.Signals(self.passed[0][0]).name
        return f"was killed: {name} came, and it did not stop within {time.monotonic() - self.passed[0][1]:.0f} s"

    def _end_late(self) -> None:
        """Kill a child that does not stop in time after a signal.

        It has STOP_SECONDS after the first signal, and at most SECOND_SECONDS after a second one.
        """
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
        """Forward the signals that have waited for GRACE seconds, unless the child got them itself.

        Args:
            signalled: When the child last got a signal, in seconds of `time.monotonic`, a clock that all processes
                share.
        """
        now = time.monotonic()
        for number, came in [each for each in self.waiting if now - each[1] >= GRACE]:
            self.waiting.remove((number, came))
            if not self.passed or came > self.passed[-1][1] + GRACE:
                self.passed.append((number, came))
            if signalled < came - GRACE:
                with suppress(ProcessLookupError):  # the child has ended, and its end is read next
                    os.kill(self.child, number)


def _report_death(run: dict[str, Any], cause: str) -> int:
    """Write and print the report of a run whose process died, and return the exit code STOPPED.

    Args:
        run: The events that the child has sent.
        cause: What ended the process: "was killed by SIGKILL".
    """
    from shopbatch.runs.outcomes import RESUME, STOPPED

    message, line, trouble = f"the process that ran the job {cause}; {RESUME}", "", ""
    if "run_id" in run:  # save before printing, since printing may fail
        from shopbatch.runs.history import close_lost

        try:
            line = close_lost(run, message)
        except OSError as error:
            trouble = f"shopbatch: the report could not be written to {run['warehouse']} ({error})"
    with suppress(OSError):  # nobody reads the output any more
        print(f"shopbatch: stopped: {message}", file=sys.stderr, flush=True)
        if trouble:
            print(trouble, file=sys.stderr, flush=True)
        if line:
            print(line, flush=True)
    return STOPPED


def _cause(status: int) -> str:
    """Describe what ended the child, from its wait status: "was killed by SIGKILL, as the system does when ..."."""
    if not os.WIFSIGNALED(status):
        hint = ", as Ray's core does when the local Ray has died"
        return f"ended without a report (exit code {os.WEXITSTATUS(status)}{hint})"
    name = signal.Signals(os.WTERMSIG(status)).name
    hint = ", as the system does when memory runs out" if name == "SIGKILL" else ""
    return f"was killed by {name}{hint}"
