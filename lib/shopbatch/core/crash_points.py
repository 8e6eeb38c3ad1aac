"""Crash points: places at which a test or `shopbatch chaos` ends a process, to check that nothing is lost.

They do nothing unless the variable SHOPBATCH_CRASH_AT names one of them, or SHOPBATCH_CRASH_TRACE a file.
"""

import os
import signal
import threading
from collections import Counter
from pathlib import Path

_passed: Counter[str] = Counter()  # how often this process has passed each place


def crash_point(name: str) -> None:
    """Kill this process, as `kill -9` would, if SHOPBATCH_CRASH_AT is the name of this place.

    More variables refine this. SHOPBATCH_CRASH_COUNT says at which passing of the place (default: the first).
    SHOPBATCH_CRASH_ONCE names a file that is created at the first crash, with the process id; while it exists no
    process crashes again, so a replacement survives. SHOPBATCH_CRASH_PID names another process to kill, and
    SHOPBATCH_CRASH_SIGNAL another signal to send; this process then waits here. With SIGSTOP it goes on when somebody
    sends it SIGCONT. SHOPBATCH_CRASH_TRACE names a file to which a line is added for each place that is passed.

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
