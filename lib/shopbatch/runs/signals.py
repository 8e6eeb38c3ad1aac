"""Handles SIGTERM and Ctrl-C during a run: they stop the run cleanly, so that the same command resumes it."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from shopbatch.core.errors import Stopped
from shopbatch.core.signal_stack import own_signal_stack
from shopbatch.runs import supervise

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Signalled(Stopped, KeyboardInterrupt):
    """Raised in a run when a signal arrives.

    It is a KeyboardInterrupt because Ray's waiting functions swallow every other exception.
    """


def stop_on_signals(received: list[str]) -> None:
    """Make SIGTERM and Ctrl-C raise Signalled in this process from now on; a second signal ends the process at once.

    Call it again after Ray or Spark has started, because they install handlers of their own. Outside the main thread it
    does nothing, since Python allows no signal handlers there.

    Args:
        received: A list to which the name of each arriving signal is added.
    """
    if not _in_main_thread():
        return

    def stop(number: int, frame: FrameType | None) -> None:
        supervise.say(signalled=time.monotonic())
        received.append(signal.Signals(number).name)
        for each in _SIGNALS:  # a second signal ends the process at once
            signal.signal(each, signal.SIG_DFL)
        raise Signalled(signal.Signals(number).name)

    own_signal_stack()
    for each in _SIGNALS:
        signal.signal(each, stop)


@contextmanager
def restore_signals() -> Iterator[None]:
    """Restore the signal handlers at the end of the block, for a process that continues after the run."""
    if not _in_main_thread():
        yield
        return
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)


def ignore_signals() -> None:
    """Ignore SIGTERM and Ctrl-C from now on, while a run writes its report."""
    if _in_main_thread():
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)


def _in_main_thread() -> bool:
    """Return True if the calling thread is the main thread, the only one in which Python allows signal handlers."""
    return threading.current_thread() is threading.main_thread()
