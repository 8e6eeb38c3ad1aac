"""Crash points: named places in the code where a test or `shopbatch chaos` kills a process.

Tests then check that no data was lost. Crash points do nothing unless the variable SHOPBATCH_CRASH_AT names one of
them, or SHOPBATCH_CRASH_TRACE names a file.
"""

import os
import signal
import threading
from collections import Counter
from pathlib import Path

_passed: Counter[str] = Counter()  # how often this process has passed each place


def crash_point(name: str) -> None:
    """Kill this process as `kill -9` would, if the variable SHOPBATCH_CRASH_AT is the name of this place.

    More variables refine this:

    - SHOPBATCH_CRASH_COUNT: at which passing of the place to crash (default 1, the first).
    - SHOPBATCH_CRASH_ONCE: a file that the first crash creates, with the process id in it. While it exists no process
      crashes again, so that a replacement process survives.
    - SHOPBATCH_CRASH_PID: the id of another process to kill; this process then waits here.
    - SHOPBATCH_CRASH_SIGNAL: another signal to send. With SIGSTOP, the process continues when it gets SIGCONT.
    - SHOPBATCH_CRASH_TRACE: a file to which a line is added for each place that is passed.

    Args:
        name: The name of this place.
    """
    trace, at = os.environ.get("SHOPBATCH_CRASH_TRACE"), os.environ.get("SHOPBATCH_CRASH_AT")
    if not trace and at != name:
        return
    _passed[name] += 1
    if trace:
        with open(trace, "a", encoding="utf-8") as file:
            file.write(f"{name} {_passed[name]}\n")
    if at != name or _passed[name] != int(os.environ.get("SHOPBATCH_CRASH_COUNT") or 1):
        return
    if once := os.environ.get("SHOPBATCH_CRASH_ONCE"):
        try:
            with Path(once).open("x", encoding="utf-8") as file:
                file.write(str(os.getpid()))
        except FileExistsError:
            return
    victim = int(os.environ.get("SHOPBATCH_CRASH_PID") or os.getpid())
    number = signal.Signals[os.environ.get("SHOPBATCH_CRASH_SIGNAL") or "SIGKILL"]
    os.kill(victim, number)
    if number == signal.SIGSTOP:
        return
    threading.Event().wait()
