"""Crash points: places where a test has a process killed, to see that nothing is lost. Off unless asked for."""

import os
import signal
import threading
from pathlib import Path


def crash_point(name: str) -> None:
    """Kill this process here, as kill -9 would, if SHOPBATCH_CRASH_AT names this place.

    Where SHOPBATCH_CRASH_ONCE names a file, only until it is there: a process that takes this one's place lives.
    SHOPBATCH_CRASH_PID names another process to kill, SHOPBATCH_CRASH_SIGNAL another signal; this one then waits.
    """
    if os.environ.get("SHOPBATCH_CRASH_AT") != name:
        return
    if once := os.environ.get("SHOPBATCH_CRASH_ONCE"):
        try:
            Path(once).touch(exist_ok=False)
        except FileExistsError:
            return
    victim = int(os.environ.get("SHOPBATCH_CRASH_PID") or os.getpid())
    os.kill(victim, signal.Signals[os.environ.get("SHOPBATCH_CRASH_SIGNAL") or "SIGKILL"])
    threading.Event().wait()
