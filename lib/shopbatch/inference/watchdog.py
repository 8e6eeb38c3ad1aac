"""The watchdog of a worker process: it ends the process if an engine call hangs, so that Ray starts another one."""

from __future__ import annotations

import os
import threading
import time

from shopbatch.inference.journal import Journal


class Watchdog:
    """A thread that ends this process (exit code 70) if an engine call takes longer than `seconds`.

    Nothing else can interrupt native code.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.deadline = float("inf")
        self.journal: Journal | None = None
        self.wake = threading.Condition()
        threading.Thread(target=self._watch, daemon=True).start()

    def watch(self, journal: Journal) -> None:
        """Start the clock for an engine call.

        If it runs out, `time_out` is recorded in the journal before the process ends.
        """
        with self.wake:
            self.journal, self.deadline = journal, time.monotonic() + self.seconds
            self.wake.notify()

    def rest(self) -> None:
        """Stop the clock, because the engine call has returned."""
        with self.wake:
            self.deadline = float("inf")

    def _watch(self) -> None:
        while True:
            with self.wake:
                left = self.deadline - time.monotonic()
                self.wake.wait(min(max(left, 0.01), self.seconds))
                if time.monotonic() < self.deadline or self.journal is None:
                    continue
                self.journal.time_out()
                os._exit(70)
