"""Crash points: places at which a test kills the process, to check that nothing is lost.

They do nothing unless the variable SHOPBATCH_CRASH_AT names one of them.
"""

import os
import signal
import threading
from pathlib import Path


def crash_point(name: str) -> None:
    """Kill this process, as `kill -9` would, if SHOPBATCH_CRASH_AT is the name of this place.

    Three more variables refine this. SHOPBATCH_CRASH_ONCE names a file that is created at the first crash; while it
    exists no process crashes again, so a replacement survives. SHOPBATCH_CRASH_PID names another process to kill, and
    SHOPBATCH_CRASH_SIGNAL another signal to send; this process then waits here. With SIGSTOP it goes on when a test
    sends it SIGCONT.

    Args:
        name: The name of this place.
    """
    if os.environ.get("SHOPBATCH_CRASH_AT") != name:
        return
    if once := os.environ.get("SHOPBATCH_CRASH_ONCE"):
        try:
            Path(once).touch(exist_ok=False)
        except FileExistsError:
            return
    victim = int(os.environ.get("SHOPBATCH_CRASH_PID") or os.getpid())
    number = signal.Signals[os.environ.get("SHOPBATCH_CRASH_SIGNAL") or "SIGKILL"]
    os.kill(victim, number)
    if number == signal.SIGSTOP:
        return
    threading.Event().wait()
